"""Malformed inventories are rejected with all mistakes at once, each with its location and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from phoenix.estate import InventoryError, load_estate
from tests.support.inventories import Copy

Edit = tuple[str, str, str]


@dataclass(frozen=True)
class Says:
    """An expected problem: the file, a text that ends in its line (`#2`: its second match), host and key, message."""

    file: str
    at: str
    where: str
    message: str


SECOND_HYPERVISOR = """\
pve2:
  hostname: 10.0.0.14
  groups: [hypervisor]
  data: {node: phoenix, guest_resolver: 10.0.0.54, guest_storage: /a, vm_storage: /b}
"""

CASES: dict[str, tuple[tuple[Edit, ...], tuple[Says, ...]]] = {
    # --- Unknown keys, at every level, with the nearest valid one
    "key of a host": (
        (("hosts", "  hostname: 10.0.0.10\n", "  hostnme: 10.0.0.10\n"),),
        (
            Says("hosts", "hostnme", "step-ca.hostnme", "unknown key 'hostnme'; did you mean 'hostname'?"),
            Says("hosts", "step-ca:", "step-ca.hostname", "'hostname' is missing; expected an IPv4 address"),
        ),
    ),
    "key of a host's data": (
        (("hosts", "    memory: 1024\n", "    memmory: 1024\n"),),
        (Says("hosts", "memmory", "step-ca.memmory", "unknown key 'memmory'; did you mean 'memory'?"),),
    ),
    "key of a service": (
        (("hosts", "qdrant: {port: 6333, expose: true", "qdrant: {port: 6333, exposed: true"),),
        (Says("hosts", "exposed:", "drphoenix.services.qdrant.exposed", "did you mean 'expose'?"),),
    ),
    "key of a service that is near none": (
        (("hosts", "qdrant: {port: 6333, expose: true", "qdrant: {port: 6333, auth: true"),),
        (
            Says(
                "hosts",
                "auth:",
                "drphoenix.services.qdrant.auth",
                "unknown key 'auth'; valid here: aliases, certificate, clients, expose, health, port, scheme, tls",
            ),
        ),
    ),
    "key of a mount": (
        (("hosts", "{source: logs, target: /var/log/nginx, owner", "{source: logs, target: /var/log/nginx, ownr"),),
        (Says("hosts", "ownr", "nginx-gateway.mounts.0.ownr", "unknown key 'ownr'; did you mean 'owner'?"),),
    ),
    "key of a container": (
        (("hosts", "        image: qdrant/qdrant", "        imge: qdrant/qdrant"),),
        (
            Says("hosts", "imge", "drphoenix.containers.qdrant.imge", "unknown key 'imge'; did you mean 'image'?"),
            Says("hosts", "      qdrant:\n", "drphoenix.containers.qdrant.image", "'image' is missing"),
        ),
    ),
    "key of a dataset": (
        (("hosts", "properties: {quota: 10G, recordsize: 128K}\n      quick", "propertys: {}\n      quick"),),
        (Says("hosts", "propertys", "pve.datasets.quickOS/lxc-persistent-data.propertys", "'properties'?"),),
    ),
    "key of a hypervisor that only guests have": (
        (("hosts", "    node: phoenix\n", "    node: phoenix\n    memory: 4096\n"),),
        (Says("hosts", "node: phoenix\n    memory: 4096", "pve.memory", "unknown key 'memory'; valid here"),),
    ),
    "web certificate without trust": (
        (
            ("hosts", "    node: phoenix\n", "    node: phoenix\n    web_certificate: true\n"),
            ("hosts", "groups: [hypervisor, trusted_ca]", "groups: [hypervisor]"),
        ),
        (Says("hosts", "web_certificate: true", "pve.web_certificate", "add the group 'trusted_ca'"),),
    ),
    "key of a group": (
        (("groups", "model_server:\n  data:", "model_server:\n  dta:"),),
        (Says("groups", "dta:", "model_server.dta", "unknown key 'dta'; did you mean 'data'?"),),
    ),
    "key of a group's data": (
        (("groups", "    swap: 512\n", "    swapp: 512\n"),),
        (Says("groups", "swapp", "lxc.swapp", "unknown key 'swapp'; did you mean 'swap'?"),),
    ),
    "key of the data of a group without members": (
        (("groups", "nvidia: {}", "nvidia: {}\nspare: {data: {coers: 2}}"),),
        (Says("groups", "spare", "spare.coers", "unknown key 'coers'; did you mean 'cores'?"),),
    ),
    "key of the settings": (
        (("defaults", "  zone: internal", "  zones: internal"),),
        (
            Says("defaults", "  zones:", "zones", "unknown key 'zones'; did you mean 'zone'?"),
            Says("defaults", "data:", "zone", "'zone' is missing; expected a DNS name in lower case"),
        ),
    ),
    "key of the authority": (
        (("defaults", "    intermediate: 5y", "    intermediat: 5y"),),
        (
            Says(
                "defaults", "intermediat:", "ca.intermediat", "unknown key 'intermediat'; did you mean 'intermediate'?"
            ),
        ),
    ),
    "key beside the settings": (
        (("defaults", "data:\n  zone", "platform: linux\ndata:\n  zone"),),
        (Says("defaults", "platform", "platform", "'platform' is not allowed in the inventory: move connection"),),
    ),
    # --- Secrets
    "password of a host": (
        (("hosts", "  hostname: 10.0.0.10\n", "  hostname: 10.0.0.10\n  password: hunter2\n"),),
        (Says("hosts", "hunter2", "step-ca.password", "secrets to the access file"),),
    ),
    "password in data": (
        (("hosts", "    memory: 1024\n", "    memory: 1024\n    admin_password: hunter2\n"),),
        (Says("hosts", "hunter2", "step-ca.admin_password", "secrets to the access file"),),
    ),
    "secret in a container's environment": (
        (("hosts", "environment: {API_PORT", "environment: {OPENAI_API_KEY: sk-1, API_PORT"),),
        (
            Says(
                "hosts",
                "sk-1",
                "drphoenix.containers.thinkheads-ai.environment.OPENAI_API_KEY",
                "OPENAI_API_KEY looks like a secret, which is not allowed in the inventory",
            ),
        ),
    ),
    "secret in a container's command": (
        (("hosts", "--admin-password-file=/run/secrets/admin_password", "--admin-password=hunter2"),),
        (Says("hosts", "hunter2", "portainer.containers.portainer.command.2", "--admin-password looks like a secret"),),
    ),
    # --- Identity
    "vmid twice": (
        (("hosts", "vmid: 102\n", "vmid: 101\n"),),
        (
            Says("hosts", "vmid: 101#1", "nginx-gateway.vmid", "101 is also the vmid of traefik"),
            Says("hosts", "vmid: 101#2", "traefik.vmid", "101 is also the vmid of nginx-gateway"),
        ),
    ),
    "vmid of a guest and a template": (
        (("hosts", "vmid: 914\n", "vmid: 900\n"),),
        (
            Says("hosts", "vmid: 900#1", "ollama.vmid", "900 is also the vmid of copy-base"),
            Says("hosts", "vmid: 900#2", "copy-base.vmid", "900 is also the vmid of ollama"),
        ),
    ),
    "vmid too small": (
        (("hosts", "vmid: 103\n", "vmid: 99\n"),),
        (Says("hosts", "vmid: 99", "step-ca.vmid", "99 is not valid: expected a guest id, a number from 100"),),
    ),
    "mac twice, in another case": (
        (("hosts", '"52:54:00:67:89:B3"', '"52:54:00:aa:bb:ca"'),),
        (
            Says("hosts", "AA:BB:CA", "step-ca.mac", "is used by 2 guests"),
            Says("hosts", "aa:bb:ca", "nginx-gateway.mac", "is used by 2 guests"),
        ),
    ),
    "mac without quotes": (
        (("hosts", '"52:54:00:AA:BB:CA"', "5254.00AA.BBCA"),),
        (Says("hosts", "5254.00AA", "step-ca.mac", "expected six pairs of hexadecimal digits in quotes"),),
    ),
    # --- Addresses
    "address twice": (
        (("hosts", "hostname: 10.0.0.12\n", "hostname: 10.0.0.153\n"),),
        (Says("hosts", "10.0.0.153#2", "traefik.hostname", "10.0.0.153 is already the address of nginx-gateway"),),
    ),
    "address outside the subnet": (
        (("hosts", "hostname: 10.0.0.12\n", "hostname: 10.0.1.12\n"),),
        (Says("hosts", "10.0.1.12", "traefik.hostname", "10.0.1.12 is not in the subnet 10.0.0.0/24"),),
    ),
    "address of the gateway": (
        (("hosts", "hostname: 10.0.0.12\n", "hostname: 10.0.0.1\n"),),
        (Says("hosts", "hostname: 10.0.0.1\n", "traefik.hostname", "is already the address of the gateway"),),
    ),
    "address of the guests' resolver": (
        (("hosts", "hostname: 10.0.0.12\n", "hostname: 10.0.0.53\n"),),
        (Says("hosts", "hostname: 10.0.0.53", "traefik.hostname", "the address of the guest resolver of pve"),),
    ),
    "address of the network": (
        (("hosts", "hostname: 10.0.0.12\n", "hostname: 10.0.0.255\n"),),
        (Says("hosts", "10.0.0.255", "traefik.hostname", "10.0.0.255 is the network or broadcast address"),),
    ),
    "address that is none": (
        (("hosts", "hostname: 10.0.0.12\n", "hostname: traefik\n"),),
        (Says("hosts", "hostname: traefik", "traefik.hostname", "'traefik' is not valid: expected an IPv4 address"),),
    ),
    "guest in a management network": (
        (("defaults", "[10.0.0.20]", "[10.0.0.8/30]"),),
        (Says("hosts", "hostname: 10.0.0.10\n", "step-ca.hostname", "could reach the hypervisor's API"),),
    ),
    "resolver outside the subnet": (
        (("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.1.0.53"),),
        (Says("hosts", "guest_resolver", "pve.guest_resolver", "10.1.0.53 is not in the subnet 10.0.0.0/24"),),
    ),
    "resolver on the gateway": (
        (("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.0.0.1"),),
        (Says("hosts", "guest_resolver", "pve.guest_resolver", "is already the address of the gateway"),),
    ),
    "resolver at an operator's address": (
        (("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.0.0.20"),),
        (Says("hosts", "guest_resolver", "pve.guest_resolver", "already the address of an operator (management)"),),
    ),
    "resolver at the address of a record": (
        (
            ("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.0.0.200"),
            ("defaults", "records: {}", "records: {printer: 10.0.0.200}"),
        ),
        (
            Says(
                "hosts",
                "guest_resolver",
                "pve.guest_resolver",
                "already the address of the record printer.internal.thinkheads.ai",
            ),
        ),
    ),
    "resolver at a guest's address": (
        (("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.0.0.12"),),
        (Says("hosts", "hostname: 10.0.0.12\n", "traefik.hostname", "the address of the guest resolver of pve"),),
    ),
    "resolver at the node's own address": (
        (("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.0.0.13"),),
        (Says("hosts", "hostname: 10.0.0.13", "pve.hostname", "the address of the guest resolver of pve"),),
    ),
    "resolver at the broadcast address": (
        (("hosts", "guest_resolver: 10.0.0.53", "guest_resolver: 10.0.0.255"),),
        (Says("hosts", "guest_resolver", "pve.guest_resolver", "is the network or broadcast address"),),
    ),
    "further address of a node that a guest has": (
        (("hosts", "    node: phoenix\n", "    node: phoenix\n    also: [10.0.0.12]\n"),),
        (Says("hosts", "hostname: 10.0.0.12\n", "traefik.hostname", "10.0.0.12 is already the address of pve"),),
    ),
    "gateway that is a guest": (
        (("defaults", "gateway: 10.0.0.1", "gateway: 10.0.0.12"),),
        (Says("hosts", "hostname: 10.0.0.12\n", "traefik.hostname", "already the address of the gateway"),),
    ),
    # --- References
    "unknown group": (
        (("hosts", "groups: [lxc, base_setup, step_ca]", "groups: [lxc, base_setp, step_ca]"),),
        (Says("hosts", "base_setp", "step-ca.groups", "unknown group 'base_setp'; did you mean 'base_setup'?"),),
    ),
    "unknown dependency": (
        (("hosts", "depends_on: [traefik, nginx-gateway, step-ca]", "depends_on: [traefik, ngnx-gateway]"),),
        (
            Says(
                "hosts", "ngnx", "portainer.depends_on.1", "unknown host 'ngnx-gateway'; did you mean 'nginx-gateway'?"
            ),
        ),
    ),
    "dependency on a template": (
        (("hosts", "depends_on: [portainer]", "depends_on: [copy-base]"),),
        (Says("hosts", "depends_on: [copy-base]", "drphoenix.depends_on.0", "is a template, which never runs"),),
    ),
    "unknown template": (
        (("hosts", "    vmid: 901\n    clone_of: copy-base", "    vmid: 901\n    clone_of: copy-bse"),),
        (Says("hosts", "copy-bse", "copy-cuda.clone_of", "unknown template 'copy-bse'; did you mean 'copy-base'?"),),
    ),
    "clone of a guest": (
        (("hosts", "    vmid: 901\n    clone_of: copy-base", "    vmid: 901\n    clone_of: traefik"),),
        (Says("hosts", "clone_of: traefik", "copy-cuda.clone_of", "not in the group 'template'; only templates can"),),
    ),
    "clone of another kind": (
        (("hosts", "    vmid: 1001\n", "    vmid: 1001\n    clone_of: copy-base\n"),),
        (Says("hosts", "vmid: 1001\n    clone_of", "portainer.clone_of", "'copy-base' is of the kind lxc, portainer"),),
    ),
    "neither a template nor an image": (
        (("hosts", "    vmid: 901\n    clone_of: copy-base\n", "    vmid: 901\n"),),
        (
            Says(
                "hosts",
                "  groups: [lxc, template, nvidia]\n  data:#1",
                "copy-cuda.clone_of",
                "set exactly one of 'clone_of' and 'ostemplate'",
            ),
        ),
    ),
    "unknown client": (
        (("hosts", "clients: [portainer, pve]", "clients: [portainr, pve]"),),
        (Says("hosts", "portainr", "drphoenix.services.portainer-agent.clients.0", "did you mean 'portainer'?"),),
    ),
    "client that is an address": (
        (("hosts", "clients: [portainer, pve]", "clients: [10.0.0.50, pve]"),),
        (
            Says(
                "hosts",
                "10.0.0.50",
                "drphoenix.services.portainer-agent.clients.0",
                "unknown client '10.0.0.50'; a client is the name of a host or of a group, or one of lan, management;"
                " an address is not",
            ),
        ),
    ),
    "client that is a template": (
        (("hosts", "clients: [pve]", "clients: [copy-base]"),),
        (Says("hosts", "[copy-base]", "portainer.services.portainer.clients.0", "is a template, which never runs"),),
    ),
    "client that is a group without running hosts": (
        (("hosts", "clients: [pve]", "clients: [template]"),),
        (
            Says(
                "hosts", "clients: [template]", "portainer.services.portainer.clients.0", "'template' has no host that"
            ),
        ),
    ),
    "unknown hypervisor": (
        (("hosts", "    vmid: 103\n", "    vmid: 103\n    hypervisor: pvee\n"),),
        (Says("hosts", "pvee", "step-ca.hypervisor", "unknown hypervisor 'pvee'; did you mean 'pve'?"),),
    ),
    "hypervisor that is none": (
        (("hosts", "    vmid: 103\n", "    vmid: 103\n    hypervisor: traefik\n"),),
        (Says("hosts", "hypervisor: traefik", "step-ca.hypervisor", "'traefik' is not in the group 'hypervisor'"),),
    ),
    "two hypervisors, and none selected": (
        (
            (
                "hosts",
                "# The authority, the mesh",
                SECOND_HYPERVISOR + "# The authority, the mesh",
            ),
            ("groups", "lxc:\n  data:\n", "lxc:\n  data:\n    hypervisor: pve\n"),
        ),
        (
            Says("hosts", "node: phoenix,", "pve2.node", "phoenix.internal.thinkheads.ai already belongs to pve"),
            *(
                Says(
                    "hosts", f"{groups}]\n  data:", f"{vm}.hypervisor", "'hypervisor' is missing; expected the name of"
                )
                for vm, groups in (
                    ("portainer", "docker, portainer"),
                    ("drphoenix", "portainer_agent"),
                    ("ubuntu-2404-cloud-template", "[vm, template"),
                )
            ),
        ),
    ),
    "cycle of dependencies": (
        (("hosts", "    startup: {order: 1, delay: 5}\n", "    startup: {order: 1}\n    depends_on: [drphoenix]\n"),),
        (
            Says(
                "hosts",
                "depends_on: [portainer]",
                "drphoenix.depends_on",
                "forms a cycle: drphoenix → portainer → ",
            ),
        ),
    ),
    "two cycles": (
        (
            ("hosts", "depends_on: [portainer]", "depends_on: [drphoenix]"),
            ("hosts", "    vmid: 901\n    clone_of: copy-base", "    vmid: 901\n    clone_of: copy-cuda"),
        ),
        (
            Says("hosts", "depends_on: [drphoenix]", "drphoenix.depends_on", "forms a cycle: drphoenix → drphoenix"),
            Says("hosts", "vmid: 901\n    clone_of", "copy-cuda.clone_of", "forms a cycle: copy-cuda → copy-cuda"),
        ),
    ),
    # --- Names
    "illegal name of a host": (
        (("hosts", "\ndrphoenix:\n", "\nDr_Phoenix:\n"),),
        (
            Says(
                "hosts", "Dr_Phoenix", "Dr_Phoenix.name", "'Dr_Phoenix' is not valid: expected a DNS label: lower-case"
            ),
        ),
    ),
    "illegal name of a service": (
        (("hosts", "      qdrant-grpc: {", "      qdrant_grpc: {"),),
        (
            Says(
                "hosts",
                "qdrant_grpc",
                "drphoenix.services.qdrant_grpc",
                "the name 'qdrant_grpc' is not valid: expected a",
            ),
        ),
    ),
    "illegal zone": (
        (("defaults", "  zone: internal.thinkheads.ai", "  zone: Internal"),),
        (Says("defaults", "zone: Internal", "zone", "'Internal' is not valid: expected a DNS name in lower case"),),
    ),
    "alias outside of every zone": (
        (("hosts", "aliases: [portainer.phoenix.local]", "aliases: [portainer.example.org]"),),
        (
            Says(
                "hosts",
                "example.org",
                "portainer.services.portainer.aliases",
                "is in no declared zone (internal.thinkheads.ai, phoenix.local); add its zone to alias_zones",
            ),
        ),
    ),
    "name claimed twice": (
        (("hosts", "aliases: [ca]", "aliases: [ca, qdrant]"),),
        (Says("hosts", "      qdrant: {", "drphoenix.services.qdrant", "already belongs to step-ca"),),
    ),
    "the authority's name": (
        (("hosts", "      qdrant: {port", "      ca: {port"),),
        (Says("hosts", "      ca: {", "drphoenix.services.ca", "the name ca.internal.thinkheads.ai already belongs"),),
    ),
    "record that is the name of a host": (
        (("defaults", "records: {}", "records: {traefik: 10.0.0.12}"),),
        (Says("defaults", "records:", "records.traefik", "already belongs to traefik"),),
    ),
    "record in no zone": (
        (("defaults", "records: {}", "records: {www.example.org: 10.0.0.12}"),),
        (Says("defaults", "records:", "records.www.example.org", "www.example.org is in no declared zone"),),
    ),
    "service without a route, with the name of another guest": (
        (("hosts", "      qdrant: {port", "      portainer: {port: 5432, scheme: tcp}\n      qdrant: {port"),),
        (
            Says("hosts", "      portainer: {port", "drphoenix.services.portainer", "already belongs to portainer"),
            Says("hosts", "      portainer: {port", "drphoenix.services.portainer", "2 guests have a service"),
            Says("hosts", "      portainer:\n#1", "portainer.services.portainer", "2 guests have a"),
        ),
    ),
    "service without a route, with the name of a record": (
        (
            ("hosts", "      qdrant: {port", "      printer: {port: 5432, scheme: tcp}\n      qdrant: {port"),
            ("defaults", "records: {}", "records: {printer: 10.0.0.200}"),
        ),
        (Says("defaults", "records:", "records.printer", "already belongs to drphoenix"),),
    ),
    "forwarded domain outside of every zone": (
        (("defaults", "  records: {}", "  forward: {www.example.org: upstream}"),),
        (Says("defaults", "forward:", "forward.www.example.org", "is in no declared zone, so its names are"),),
    ),
    "forwarded name that a service has": (
        (("defaults", "  records: {}", "  forward: {qdrant.internal.thinkheads.ai: upstream}"),),
        (
            Says(
                "defaults",
                "forward:",
                "forward.qdrant.internal.thinkheads.ai",
                "belongs to drphoenix, so it cannot be forwarded",
            ),
        ),
    ),
    "servers of a forwarded domain": (
        (("defaults", "  records: {}", "  forward: {www.internal.thinkheads.ai: [10.0.0.1]}"),),
        (Says("defaults", "forward:", "forward.www.internal.thinkheads.ai", "is not valid: expected 'upstream'"),),
    ),
    "service twice": (
        (("hosts", "      llamacpp: {", "      ollama: {"),),
        (
            Says("hosts", "ollama: {port: 11434", "ollama.services.ollama", "2 guests have a service 'ollama'"),
            Says("hosts", "ollama: {port: 8081", "llamacpp.services.ollama", "2 guests have a service 'ollama'"),
            Says("hosts", "ollama: {port: 8081", "llamacpp.services.ollama", "already belongs to ollama"),
        ),
    ),
    "reserved word as a host": (
        (("hosts", "\nollama:\n", "\ninternet:\n"),),
        (Says("hosts", "internet:", "internet", "'internet' is reserved for every address outside the estate"),),
    ),
    "reserved word as a group": (
        (("groups", "nvidia: {}", "nvidia: {}\nlan: {}"),),
        (Says("groups", "lan:", "lan", "'lan' is reserved for the estate's network; choose another name"),),
    ),
    "host with the name of a group of others": (
        (("hosts", "\nllamacpp:\n", "\nnvidia:\n"),),
        (Says("hosts", "\nnvidia:", "nvidia", "is also a group of granite-embedding"),),
    ),
    # --- Types and syntax
    "text for a number": (
        (("hosts", "memory: 1024", "memory: 1 GB"),),
        (Says("hosts", "1 GB", "step-ca.memory", "'1 GB' is not valid: expected a whole number"),),
    ),
    "number in quotes": (
        (("hosts", "vmid: 103", 'vmid: "103"'),),
        (Says("hosts", '"103"', "step-ca.vmid", "'103' is not valid: expected a guest id, a number"),),
    ),
    "list for a mapping": (
        (("hosts", "services:\n      llamacpp: {port: 8081, expose: true, health: /health}", "services: [llamacpp]"),),
        (Says("hosts", "[llamacpp]", "llamacpp.services", "expected a mapping of names to values"),),
    ),
    "text for a list": (
        (("hosts", "depends_on: [portainer]", "depends_on: portainer"),),
        (Says("hosts", "depends_on: portainer", "drphoenix.depends_on", "'portainer' is not valid: expected a list"),),
    ),
    "word for a boolean": (
        (("hosts", "qdrant: {port: 6333, expose: true", "qdrant: {port: 6333, expose: yes"),),
        (
            Says(
                "hosts", "expose: yes", "drphoenix.services.qdrant.expose", "'yes' is not valid: expected true or false"
            ),
        ),
    ),
    "mode without quotes": (
        (("hosts", 'mode: "0700"', "mode: 0700"),),
        (Says("hosts", "mode: 0700", "step-ca.mounts.0.mode", 'expected an octal mode in quotes, such as "0750"'),),
    ),
    "port too large": (
        (("hosts", "port: 11434", "port: 114340"),),
        (Says("hosts", "114340", "ollama.services.ollama.port", "expected a port number from 1 to 65535"),),
    ),
    "port missing": (
        (("hosts", "ollama: {port: 11434, ", "ollama: {"),),
        (Says("hosts", "ollama: {", "ollama.services.ollama.port", "'port' is missing; expected a port number"),),
    ),
    "unknown scheme": (
        (("hosts", "scheme: h2c", "scheme: grpc"),),
        (Says("hosts", "grpc,", "drphoenix.services.qdrant-grpc.scheme", "expected 'http', 'https', 'h2c' or 'tcp'"),),
    ),
    "relative path": (
        (("hosts", "target: /etc/step-ca/ssl", "target: etc/step-ca/ssl"),),
        (Says("hosts", "target: etc", "step-ca.mounts.0.target", "expected an absolute path without spaces"),),
    ),
    "egress port": (
        (("defaults", "ports: [123]", 'ports: ["123"]'),),
        (Says("defaults", '"123"', "egress.1.ports.0", "expected port numbers from 1 to 65535"),),
    ),
    "subnet with host bits": (
        (("defaults", "subnet: 10.0.0.0/24", "subnet: 10.0.0.7/24"),),
        (Says("defaults", "subnet:", "network.subnet", "expected a network such as 10.0.0.0/24, without host bits"),),
    ),
    "date for a host's data": (
        (("hosts", "    memory: 1024\n", "    memory: 2024-01-01\n"),),
        (Says("hosts", "2024-01-01", "step-ca.memory", "'2024-01-01' is not valid: expected a whole number"),),
    ),
    "host that is a list": (
        (("hosts", "# Templates\n", "extra: [lxc]\n"),),
        (Says("hosts", "extra:", "extra", "must be a mapping with hostname, groups and data"),),
    ),
    "data that is a list": (
        (("groups", "hypervisor: {}", "hypervisor: {data: [1]}"),),
        (Says("groups", "hypervisor:", "hypervisor.data", "must be a mapping of keys to values; omit it"),),
    ),
    "host without groups": (
        (("hosts", "  groups: [lxc, base_setup, step_ca]\n", ""),),
        (
            Says(
                "hosts",
                "step-ca:",
                "step-ca.groups",
                "must be a list of groups that contains one of hypervisor, lxc, vm",
            ),
        ),
    ),
    "host of two kinds": (
        (("hosts", "groups: [lxc, base_setup, step_ca]", "groups: [lxc, vm, step_ca]"),),
        (
            Says(
                "hosts",
                "[lxc, vm",
                "step-ca.groups",
                "a host must be in exactly one of hypervisor, lxc, vm; this host is in lxc and",
            ),
        ),
    ),
    # --- YAML
    "key twice": (
        (("hosts", "    memory: 1024\n", "    memory: 1024\n    memory: 2048\n"),),
        (Says("hosts", "memory: 2048\n", "step-ca.data.memory", "duplicate key, first in line"),),
    ),
    "host with a number as its name": (
        (("hosts", "\nollama:\n", "\n914:\n"),),
        (Says("hosts", "\n914:", "", "YAML does not read 914 as text: put the key in quotes"),),
    ),
    "broken YAML": (
        (("hosts", "groups: [lxc, base_setup, step_ca]", "groups: [lxc, base_setup, step_ca"),),
        (Says("hosts", "step_ca\n  data:", "", "is not valid YAML: "),),
    ),
    "tag": (
        (("hosts", "    memory: 1024\n", "    memory: !vault 1024\n"),),
        (Says("hosts", "!vault", "step-ca.data.memory", "the tag !vault is not supported"),),
    ),
    "anchor in itself": (
        (("hosts", "    aliases: [ca]\n", "    aliases: &me [ca, *me]\n"),),
        (Says("hosts", "&me", "step-ca.data.aliases.1", "an anchor refers to itself"),),
    ),
    # --- Roles and features
    "no edge": (
        (("hosts", "step_cli, nginx]", "step_cli]"),),
        (Says("hosts", "", "", "no guest is in the group 'nginx'; the edge is missing"),),
    ),
    "no hypervisor": (
        (("hosts", "groups: [hypervisor, trusted_ca]", "groups: [lxc, trusted_ca]"),),
        (
            *(
                Says("hosts", f"    {key}:", f"pve.{key}", f"unknown key {key!r}; ")
                for key in ("node", "bridge", "guest_resolver", "guest_storage", "vm_storage", "datasets")
            ),
            Says("hosts", "trusted_ca]\n  data:#1", "pve.vmid", "'vmid' is missing; expected a guest id"),
        ),
    ),
    "two authorities": (
        (("hosts", "step_cli, traefik]", "step_cli, traefik, step_ca]"),),
        (
            Says("hosts", "traefik, step_ca]", "traefik.groups", "step-ca and traefik are both in 'step_ca'"),
            Says("hosts", "step_ca]\n  data:#2", "traefik.mounts", "the CA's state must outlive its guest"),
            Says("hosts", "\ntraefik:", "traefik", "the name ca.internal.thinkheads.ai already belongs to step-ca"),
        ),
    ),
    "edge and mesh in one": (
        (("hosts", "step_cli, nginx]", "step_cli]"), ("hosts", "step_cli, traefik]", "step_cli, traefik, nginx]")),
        (Says("hosts", "traefik, nginx]", "traefik.groups", "both listen on 80 and 443: edge and mesh must be two"),),
    ),
    "hypervisor with a guest's role": (
        (("hosts", "groups: [hypervisor, trusted_ca]", "groups: [hypervisor, trusted_ca, nginx]"),),
        (Says("hosts", "trusted_ca, nginx]", "pve.groups", "'nginx' is for guests that run, and pve is not one"),),
    ),
    "authority without a mount": (
        (("hosts", "target: /etc/step-ca/ssl", "target: /etc/step-ca/tls"),),
        (
            Says(
                "hosts",
                "    mounts:#1",
                "step-ca.mounts",
                "state must outlive its guest: add a mount with the target /etc/step-ca",
            ),
        ),
    ),
    "feature without its requirement": (
        (
            (
                "hosts",
                "groups: [lxc, base_setup, trusted_ca, step_cli, nginx]",
                "groups: [lxc, base_setup, step_cli, nginx]",
            ),
        ),
        (Says("hosts", "step_cli, nginx]", "nginx-gateway.groups", "'nginx' requires the group 'trusted_ca'"),),
    ),
    "docker in a container": (
        (
            (
                "hosts",
                "groups: [lxc, base_setup, trusted_ca, step_cli, nginx]",
                "groups: [lxc, docker, trusted_ca, step_cli, nginx]",
            ),
        ),
        (Says("hosts", "docker, trusted_ca, step_cli, nginx]", "nginx-gateway.groups", "'docker' is for vms"),),
    ),
    "mounts of a vm": (
        (("hosts", "    vmid: 1002\n", "    vmid: 1002\n    mounts: [{source: a, target: /a}]\n"),),
        (Says("hosts", "source: a,", "drphoenix.mounts", "a vm has no bind mounts; use 'persistent_storage'"),),
    ),
    "mount point twice": (
        (("hosts", "target: /etc/nginx/ssl", "target: /var/log/nginx"),),
        (
            Says("hosts", "source: logs", "nginx-gateway.mounts.0.target", "/var/log/nginx is the target of"),
            Says("hosts", "source: ssl, target: /var", "nginx-gateway.mounts.1.target", "/var/log/nginx is the target"),
        ),
    ),
    "Portainer without storage": (
        (("hosts", "nginx-gateway, step-ca]\n    persistent_storage: /persistent-storage\n", "step-ca]\n"),),
        (
            Says(
                "hosts",
                "portainer]\n  data:",
                "portainer.persistent_storage",
                "Portainer's data must outlive its guest",
            ),
        ),
    ),
    # --- Services and containers
    "exposed tcp": (
        (("hosts", "qdrant: {port: 6333, expose: true", "qdrant: {port: 6333, scheme: tcp, expose: true"),),
        (
            Says(
                "hosts",
                "scheme: tcp",
                "drphoenix.services.qdrant.scheme",
                "a tcp service cannot be exposed, because routes are",
            ),
        ),
    ),
    "mutual without clients": (
        (("hosts", "        clients: [portainer, pve]\n", ""),),
        (
            Says(
                "hosts",
                "tls: mutual",
                "drphoenix.services.portainer-agent.tls",
                "mutual TLS requires 'clients': name those that may connect",
            ),
        ),
    ),
    "mutual and exposed": (
        (("hosts", "        tls: mutual\n", "        tls: mutual\n        expose: true\n"),),
        (Says("hosts", "tls: mutual", "drphoenix.services.portainer-agent.tls", "cannot require client certificates"),),
    ),
    "tls without https": (
        (("hosts", "port: 9001\n        scheme: https", "port: 9001\n        scheme: http"),),
        (
            Says(
                "hosts", "tls: mutual", "drphoenix.services.portainer-agent.tls", "requires the scheme https, not http"
            ),
        ),
    ),
    "certificate without step": (
        (
            ("hosts", "qdrant: {port: 6333, expose: true", "qdrant: {port: 6333, scheme: https, expose: true"),
            ("hosts", "trusted_ca, step_cli, docker, portainer_agent]", "trusted_ca, docker]"),
        ),
        (
            Says("hosts", "scheme: https, expose", "drphoenix.services.qdrant.scheme", "add the group 'step_cli'"),
            Says(
                "hosts",
                "port: 9001\n        scheme: https",
                "drphoenix.services.portainer-agent.scheme",
                "add the group",
            ),
        ),
    ),
    "port twice": (
        (("hosts", "port: 6334", "port: 6333"),),
        (
            Says("hosts", "qdrant: {", "drphoenix.services.qdrant.port", "port 6333 belongs to 2 services"),
            Says("hosts", "qdrant-grpc: {", "drphoenix.services.qdrant-grpc.port", "port 6333 belongs to 2 services"),
            Says(
                "hosts", '["6333", "6334"]', "drphoenix.containers.qdrant.ports.1", "publishes 6334, which is the port"
            ),
        ),
    ),
    "container's port without a service": (
        (("hosts", 'ports: ["8000"]', 'ports: ["8001:8000"]'),),
        (
            Says(
                "hosts", "8001", "drphoenix.containers.thinkheads-ai.ports.0", "publishes 8001, which is the port of no"
            ),
        ),
    ),
    "port without its container's side": (
        (("hosts", '"127.0.0.1:9002:9001"', '"127.0.0.1:9002"'),),
        (Says("hosts", "9002", "drphoenix.containers.portainer-agent.ports.0", "expected published ports in quotes"),),
    ),
    "agent reachable without its mutual TLS": (
        (("hosts", '"127.0.0.1:9002:9001"', '"9001"'),),
        (
            Says(
                "hosts",
                '["9001"]',
                "drphoenix.containers.portainer-agent.ports.0",
                "publish its container to 127.0.0.1",
            ),
        ),
    ),
    "image without a tag": (
        (("hosts", "qdrant/qdrant:v1.12.4", "qdrant/qdrant"),),
        (Says("hosts", "image: qdrant", "drphoenix.containers.qdrant.image", "has no fixed tag or digest: pin one"),),
    ),
    "image with the tag latest": (
        (("hosts", "qdrant/qdrant:v1.12.4", "qdrant/qdrant:latest"),),
        (Says("hosts", "image: qdrant", "drphoenix.containers.qdrant.image", "has no fixed tag or digest: pin one"),),
    ),
    "containers without Docker": (
        (("hosts", "vmid: 917\n", 'vmid: 917\n    containers: {a: {image: "a:1"}}\n'),),
        (Says("hosts", "a:1", "llamacpp.containers", "requires the group 'docker'"),),
    ),
    "port of a role": (
        (("hosts", "nginx: {port: 8081, expose: true", "nginx: {port: 443, expose: true"),),
        (Says("hosts", "port: 443", "nginx-gateway.services.nginx.port", "the role 'nginx' itself listens on 443"),),
    ),
    "another service of the mesh": (
        (("hosts", "traefik: {port: 8080, expose: true", "traefik: {port: 8081, expose: true"),),
        (
            Says(
                "hosts",
                "traefik: {port: 8081",
                "traefik.services.traefik.port",
                "the mesh can expose only its dashboard",
            ),
        ),
    ),
    # --- Settings
    "renewal before issue": (
        (("defaults", "renew_before: 3d", "renew_before: 168h"),),
        (
            Says(
                "defaults", "renew_before", "ca.leaf.renew_before", "7d before expiry is not within the lifetime of 7d"
            ),
        ),
    ),
    "no duration": (
        (("defaults", "lifetime: 7d", "lifetime: 7"), ("defaults", "root: 10y", "root: 10 years")),
        (
            Says("defaults", "lifetime: 7", "ca.leaf.lifetime", "7 is not valid: expected a duration such as 15m, 24h"),
            Says("defaults", "root:", "ca.root", "'10 years' is not valid: expected a duration such as 15m, 24h"),
        ),
    ),
    "leaf that outlives its intermediate": (
        (("defaults", "lifetime: 7d", "lifetime: 6y"),),
        (Says("defaults", "lifetime: 6y", "ca.leaf.lifetime", "6y would outlive the intermediate of 5y"),),
    ),
    "intermediate that outlives the root": (
        (("defaults", "root: 10y", "root: 4y"),),
        (Says("defaults", "intermediate", "ca.intermediate", "an intermediate of 5y would outlive its root of 4y"),),
    ),
    "lifetime that the CA rejects": (
        (("defaults", "lifetime: 7d, renew_before: 3d", "lifetime: 4m"),),
        (Says("defaults", "lifetime: 4m", "ca.leaf.lifetime", "signs no certificate with a lifetime below 5m"),),
    ),
    "mesh that always renews": (
        (("defaults", "lifetime: 30d", "lifetime: 20m"),),
        (
            Says(
                "defaults",
                "lifetime: 20m",
                "ca.mesh.lifetime",
                "Traefik renews certificates with a lifetime of 20m 20m",
            ),
        ),
    ),
    "mesh with a lifetime above the limit": (
        (("defaults", "lifetime: 30d", "lifetime: 101d"),),
        (
            Says(
                "defaults",
                "lifetime: 101d",
                "ca.mesh.lifetime",
                "the lifetime of the mesh's certificates is at most 100d",
            ),
        ),
    ),
    "lifetime of one certificate": (
        (
            (
                "hosts",
                "        tls: mutual\n",
                "        tls: mutual\n        certificate: {lifetime: 1d, renew_before: 2d}\n",
            ),
        ),
        (
            Says(
                "hosts",
                "certificate: {lifetime: 1d, renew_before",
                "drphoenix.services.portainer-agent.certificate.renew_before",
                "2d before expiry is not within the lifetime of 1d",
            ),
        ),
    ),
    "gateway elsewhere": (
        (("defaults", "gateway: 10.0.0.1", "gateway: 192.168.0.1"),),
        (Says("defaults", "gateway", "network.gateway", "192.168.0.1 is not in the subnet 10.0.0.0/24"),),
    ),
    "resolver that forwards to itself": (
        (("defaults", "[8.8.8.8, 1.1.1.1]", "[8.8.8.8, 10.0.0.53]"),),
        (Says("defaults", "upstream_dns", "network.upstream_dns.1", "10.0.0.53 is the estate's own resolver"),),
    ),
    "zone as its own alias": (
        (("defaults", "    - phoenix.local", "    - internal.thinkheads.ai\n    - phoenix.local"),),
        (Says("defaults", "alias_zones", "alias_zones", "internal.thinkheads.ai is the zone itself"),),
    ),
}


@pytest.mark.parametrize(("edits", "expected"), CASES.values(), ids=CASES)
def test_refused(tmp_path: Path, edits: tuple[Edit, ...], expected: tuple[Says, ...]) -> None:
    """Each mistake of the table is reported at its location, and no other problem is reported."""
    copy = Copy(tmp_path)
    for edit in edits:
        copy.edit(*edit)
    problems = copy.problems()
    reported = sorted((problem.file, problem.line, problem.where) for problem in problems)
    assert reported == sorted((str(copy.file(one.file)), copy.line(one.file, one.at), one.where) for one in expected)
    for one in expected:
        messages = [problem.message for problem in problems if problem.where == one.where]
        assert any(one.message in message for message in messages), messages


def test_every_mistake_at_once(tmp_path: Path) -> None:
    """Mistakes of different kinds, in all three files, are reported together and sorted by location."""
    copy = Copy(tmp_path)
    copy.edit("defaults", "  zone:", "  zones:")
    copy.edit("groups", "swap: 512", "swapp: 512")
    copy.edit("hosts", "memory: 1024", "memmory: 1024")
    copy.edit("hosts", "hostname: 10.0.0.12\n", "hostname: traefik\n")
    copy.edit("hosts", "groups: [vm, base_setup, trusted_ca, step_cli, docker, portainer]", "groups: [vn, docker]")
    assert [(Path(problem.file).name, problem.where) for problem in copy.problems()] == [
        ("defaults.yaml", "zone"),
        ("defaults.yaml", "zones"),
        ("groups.yaml", "lxc.swapp"),
        ("hosts.yaml", "step-ca.memmory"),
        ("hosts.yaml", "traefik.hostname"),
        ("hosts.yaml", "portainer.groups"),
        ("hosts.yaml", "portainer.groups"),
    ]


@pytest.mark.parametrize("name", ["hosts", "groups", "defaults"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """The error names a missing file."""
    copy = Copy(tmp_path)
    copy.file(name).unlink()
    (problem,) = copy.problems()
    assert str(problem) == f"{copy.file(name)}: file is missing; the inventory requires it"


def test_missing_directory(tmp_path: Path) -> None:
    """The error names a missing directory and the option that sets another."""
    with pytest.raises(InventoryError, match="is not a directory; name one with --inventory DIR"):
        load_estate(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"# empty\n", b"---\n"])
def test_empty_hosts(tmp_path: Path, content: bytes) -> None:
    """An estate without hosts lacks its hypervisor and its three roles."""
    copy = Copy(tmp_path)
    copy.file("hosts").write_bytes(content)
    problems = copy.problems()
    assert len(problems) == 4
    assert all("the estate requires one" in p.message or "is missing" in p.message for p in problems)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[]", "must be a mapping of names to settings"),
        (b"just words", "must be a mapping of names to settings"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"a: \x07", "is not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "another document"),
        (b"\ta: 1", "is not valid YAML"),
        (b"[" * 1_000, "is nested too deeply"),
        (b"%YAML 3.0\n---\na: 1", "is not valid YAML"),
        (b'a: "\\ud800"', "a lone surrogate"),
        (b"? [a]\n: 1", "a key cannot be a list or mapping"),
        (b"a: {<<: 1}", "<< takes a mapping"),
        (b"a: &a {<<: *a}", "an anchor refers to itself"),
        (
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 104)),
            "do anchors nest?",
        ),
    ],
)
@pytest.mark.parametrize("name", ["hosts", "groups", "defaults"])
def test_not_an_inventory(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """Any other content of a file is rejected with a message, never with a traceback."""
    copy = Copy(tmp_path)
    copy.file(name).write_bytes(content)
    assert [says in problem.message for problem in copy.problems()] == [True]


def test_directory_in_place_of_a_file(tmp_path: Path) -> None:
    """A directory with the name hosts.yaml is reported as a directory."""
    copy = Copy(tmp_path)
    copy.file("hosts").unlink()
    copy.file("hosts").mkdir()
    assert [problem.message for problem in copy.problems()] == [
        f"cannot be read: [Errno 21] Is a directory: '{copy.file('hosts')}'"
    ]
