"""Estate → what should lie where: the other side of an audit's comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from phoenix.conventions import CA_PORT, HTTPS_PORT, PROXMOX_PORT, WEB_CERTIFICATE_UNIT
from phoenix.derive.certificates import Leaf, certificates, leaves_of
from phoenix.derive.routes import Route, routes
from phoenix.estate import Estate, Hypervisor

SYSTEM = ("/etc/ssh/ssh_host_*_key", "/etc/ssl/private/ssl-cert-snakeoil.key")
"""Files that the distribution makes."""
PROXMOX = ("/etc/pve/*", "/root/.ssh/id_*")
"""Files that Proxmox VE makes."""
STORE_DIRECTORY = "/usr/local/share/ca-certificates"


@dataclass(frozen=True)
class Places:
    """Where tasks put what is not a leaf: the authority's state, the first anchor, the bundle, the mesh's storage."""

    state: str
    anchor: str
    bundle: str
    mesh: str


@dataclass(frozen=True)
class Endpoint:
    """A port that presents a certificate; `name` is the leaf's, or the route's, or `authority`."""

    name: str
    host: str
    address: str
    server_name: str


@dataclass(frozen=True)
class Expected:
    """Everything that should be there."""

    estate: Estate
    places: Places

    @cached_property
    def certificates(self) -> dict[tuple[str, str], Leaf]:
        """Leaves by host and path of the certificate."""
        return {(leaf.host, leaf.certificate): leaf for leaf in certificates(self.estate)}

    @cached_property
    def keys(self) -> dict[tuple[str, str], Leaf]:
        """Leaves by host and path of the key."""
        return {(leaf.host, leaf.key): leaf for leaf in certificates(self.estate)}

    @cached_property
    def mesh(self) -> dict[tuple[str, str], Route]:
        """Routes by the mesh's host and the place in its storage."""
        host = self.estate.guest_with("traefik").name
        return {(host, f"{self.places.mesh}#{route.name}"): route for route in routes(self.estate)}

    @cached_property
    def authority_files(self) -> tuple[tuple[str, str, str], ...]:
        """Files without which the authority could not work, as host, path and kind."""
        host, state = self.estate.guest_with("step_ca").name, self.places.state
        return (
            (host, f"{state}/certs/root_ca.crt", "certificate"),
            (host, f"{state}/certs/intermediate_ca.crt", "certificate"),
            (host, f"{state}/secrets/intermediate_ca_key", "key"),
        )

    @cached_property
    def anchors(self) -> tuple[tuple[str, str], ...]:
        """Files with the estate's anchors, by host and path."""
        trusting = [host.name for host in self.estate.members("trusted_ca")]
        return tuple((host, path) for host in trusting for path in (self.places.anchor, self.places.bundle))

    @cached_property
    def copies(self) -> dict[str, str]:
        """Patterns of the files in which Portainer, or a hypervisor's web server, keeps copies of leaves; by host."""
        portainers = {
            guest.name: f"{volume.split(':')[0]}/tls/*"
            for guest in self.estate.guests
            for container in guest.containers.values()
            for volume in container.volumes
            if guest.has("portainer") and volume.split(":")[1] == "/data"
        }
        return portainers | {leaf.host: "/etc/pve/*/pveproxy-ssl.*" for leaf in self._web}

    def is_copy(self, host: str, path: str) -> bool:
        """Tell whether the file is a copy that the reader of a leaf keeps."""
        return fnmatchcase(path, self.copies.get(host, ""))

    @property
    def _web(self) -> tuple[Leaf, ...]:
        """Leaves of hypervisors' web servers."""
        return tuple(
            leaf for leaf in certificates(self.estate) if leaf.reload and leaf.reload[1] == WEB_CERTIFICATE_UNIT
        )

    def is_systems(self, host: str, path: str) -> bool:
        """Tell whether the distribution or Proxmox VE made the file."""
        patterns = (*SYSTEM, *(PROXMOX if isinstance(self.estate.host(host), Hypervisor) else ()))
        return any(fnmatchcase(path, pattern) for pattern in patterns)

    def is_authoritys(self, host: str, path: str) -> bool:
        """Tell whether the file is part of the authority's state."""
        return host == self.estate.guest_with("step_ca").name and path.startswith(f"{self.places.state}/")

    def endpoints(self, host: str) -> tuple[Endpoint, ...]:
        """The ports of a host that present certificates which it keeps in files, and the authority's own."""
        return tuple(endpoint for endpoint in self._endpoints() if endpoint.host == host)

    def _endpoints(self) -> Iterator[Endpoint]:
        authority, mesh = self.estate.guest_with("step_ca"), self.estate.guest_with("traefik")
        yield Endpoint("authority", authority.name, f"{authority.address}:{CA_PORT}", self.estate.fqdn("ca"))
        served = routes(self.estate)
        for route in served:
            yield Endpoint(route.name, mesh.name, f"{mesh.address}:{HTTPS_PORT}", route.name)
        for leaf in self._web:
            yield Endpoint(leaf.name, leaf.host, f"{leaf.ips[0]}:{PROXMOX_PORT}", leaf.dns[0])
        for guest in self.estate.guests:
            for leaf in leaves_of(self.estate, guest.name):
                if leaf.name in guest.services and leaf.usage == "server":
                    yield Endpoint(
                        leaf.name, guest.name, f"{guest.address}:{guest.services[leaf.name].port}", leaf.dns[0]
                    )
                elif leaf.dns[0].startswith("*.") and served:
                    yield Endpoint(leaf.name, guest.name, f"{guest.address}:{HTTPS_PORT}", served[0].name)
