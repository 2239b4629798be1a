"""Paths, unit names and ports that two parts of Phoenix must agree on, each written once. Lowest layer, no imports."""

from __future__ import annotations

SYSTEMD = "/etc/systemd/system"
PROGRAMS = "/usr/local/lib/phoenix"
"""Directory of the programs that Phoenix writes on hosts."""
SETTINGS = "/etc/phoenix"
STATE = "/var/lib/phoenix"
UNFINISHED = f"{STATE}/begun"
"""Directory of marks: one per daemon whose files are being changed. A mark without its script shows an interruption."""
STAGED_PROGRAMS = f"{STATE}/artifacts"
"""Directory on a node with the compressed programs that its containers receive."""
REPLACED = f"{STATE}/replaced"
"""Directory of copies of files that Phoenix did not write, made before it replaced or removed them."""
FIREWALL_STATE = f"{STATE}/firewall"
TLS_DIRECTORY = f"{SETTINGS}/tls"
DNS_DIRECTORY = f"{SETTINGS}/dns"
LOCK = "/run/lock/phoenix"
"""Lock file that keeps the scripts of two runs on one host apart."""

ANCHORS_DIRECTORY = "/usr/local/share/ca-certificates"
"""Debian's directory of local anchors (update-ca-certificates(8))."""
ANCHOR = f"{ANCHORS_DIRECTORY}/phoenix_ca.crt"
"""The estate's first anchor, in the system store of every host that trusts it."""
BUNDLE = f"{SETTINGS}/phoenix_ca_bundle.crt"
"""All anchors of the estate, on every host that trusts them."""
CA_STATE = "/etc/step-ca/ssl"
"""The authority's state, as its own guest sees it."""
CA_CONFIG = "config/ca.json"
"""step-ca's settings, relative to its state."""
EDGE_TLS_DIRECTORY = "/etc/nginx/ssl"
EDGE_ANCHORS = "/run/nginx-anchors.crt"
"""The bundle that Nginx read last: its unit copies it just before a start or a reload."""
MESH_DIRECTORY = "/etc/traefik"
MESH_CONFIG = f"{MESH_DIRECTORY}/traefik.yml"
MESH_ROUTES = f"{MESH_DIRECTORY}/dynamic"
MESH_STORAGE = f"{MESH_DIRECTORY}/acme.json"
MESH_ANCHORS = "/run/traefik/anchors.crt"
"""The bundle that Traefik read: its unit copies it at start."""

CA_UNIT = "step-ca.service"
EDGE_UNIT = "nginx.service"
MESH_UNIT = "traefik.service"
DOCKER_UNIT = "docker.service"
REGISTRATION_UNIT = "phoenix-register-agents.service"
"""Hands Portainer the client certificate that its agents require."""
WEB_CERTIFICATE_UNIT = "phoenix-web-certificate.service"
"""Hands a hypervisor's web server its certificate."""
DNS_WATCH_UNIT = "phoenix-dns-watch.service"
ESTATE_LABEL = "phoenix.estate"
"""Key of a Docker container's label whose value is the zone of the estate that the container belongs to."""
CONTAINER_UNIT_PREFIX = "phoenix-container-"
RENEWAL_PREFIX = "phoenix-renew-"

DNS_PORT = 53
HTTP_PORT, HTTPS_PORT = 80, 443
SSH_PORT = 22
NFS_PORT = 2049
CA_PORT = 9000
MESH_EDGE_PORT = 8443
MESH_PING_PORT = 8080
PROXMOX_PORT = 8006
SPICE_PORT = 3128
MIGRATION_PORTS = (60000, 60050)
COROSYNC_PORTS = (5405, 5412)
"""Live migration and the cluster's own traffic (Administration Guide, "Ports used by Proxmox VE")."""
CEPH_MONITOR_PORTS = (3300, 6789)
CEPH_DAEMON_PORTS = (6800, 7300)
"""OSDs, managers and metadata servers (Ceph, "Network Configuration Reference")."""


def renewal_unit(stem: str) -> str:
    """Name the service and the timer that renew a leaf, without their suffix."""
    return f"{RENEWAL_PREFIX}{stem}"


def renewal_program(stem: str) -> str:
    """Path of the program that renews a leaf on its host."""
    return f"{PROGRAMS}/renew-{stem}"


def container_unit(name: str) -> str:
    """Name the unit that runs a Docker container."""
    return f"{CONTAINER_UNIT_PREFIX}{name}.service"


def dns_unit(view: str) -> str:
    """Name the unit of one DNS view's server."""
    return f"phoenix-dns-{view}.service"
