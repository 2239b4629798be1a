"""Estate → the certificates and keys that should exist: the other side of an audit's comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from phoenix.derive.certificates import Leaf, certificates
from phoenix.derive.routes import Route, routes
from phoenix.estate import Estate, Hypervisor
from phoenix.pki.audit.endpoints import web_leaves
from phoenix.pki.audit.finding import CommonRole, FindingKind
from phoenix.pki.ca.config import OLD_PAIR, OLD_ROOT

SYSTEM = ("/etc/ssh/ssh_host_*_key", "/etc/ssl/private/ssl-cert-snakeoil.key")
"""Files that the distribution creates."""
PROXMOX = ("/etc/pve/*", "/root/.ssh/id_*")
"""Files that Proxmox VE creates."""


@dataclass(frozen=True)
class AuditPaths:
    """Where tasks write everything but leaves: the CA's state, the first anchor, the bundle, the mesh's storage."""

    state: str
    anchor: str
    bundle: str
    mesh: str


@dataclass(frozen=True)
class Expected:
    """Everything that should exist."""

    estate: Estate
    paths: AuditPaths

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
        """Routes by the mesh's host and the entry in its storage."""
        host = self.estate.guest_with("traefik").name
        return {(host, f"{self.paths.mesh}#{route.name}"): route for route in routes(self.estate)}

    @cached_property
    def _ca_files(self) -> tuple[tuple[str, FindingKind], ...]:
        """Files that the CA cannot work without, with their kinds."""
        certificate, key = OLD_PAIR
        files: tuple[tuple[str, FindingKind], ...] = (
            (OLD_ROOT, "certificate"),
            (certificate, "certificate"),
            (key, "key"),
        )
        return tuple((f"{self.paths.state}/{path}", kind) for path, kind in files)

    def files_of(self, host: str) -> Iterator[tuple[str, FindingKind, str]]:
        """Path, kind and role of every certificate and key that must be on a host."""
        yield from ((path, "certificate", leaf.name) for (at, path), leaf in self.certificates.items() if at == host)
        yield from ((path, "key", leaf.name) for (at, path), leaf in self.keys.items() if at == host)
        yield from ((path, "certificate", route.service) for (at, path), route in self.mesh.items() if at == host)
        if host == self.estate.guest_with("step_ca").name:
            yield from ((path, kind, CommonRole.AUTHORITY) for path, kind in self._ca_files)
        if host in {member.name for member in self.estate.members("trusted_ca")}:
            yield from ((path, "certificate", CommonRole.ANCHOR) for path in (self.paths.anchor, self.paths.bundle))

    @cached_property
    def copies(self) -> dict[str, str]:
        """Patterns of the files in which Portainer or a hypervisor's web server keeps copies of leaves, by host."""
        portainers = {
            guest.name: f"{volume.split(':')[0]}/tls/*"
            for guest in self.estate.guests
            for container in guest.containers.values()
            for volume in container.volumes
            if guest.has("portainer") and volume.split(":")[1] == "/data"
        }
        return portainers | {leaf.host: "/etc/pve/*/pveproxy-ssl.*" for leaf in web_leaves(self.estate)}

    def is_copy(self, host: str, path: str) -> bool:
        """Tell whether the file is a copy that a reader of a leaf keeps."""
        return fnmatchcase(path, self.copies.get(host, ""))

    def is_system(self, host: str, path: str) -> bool:
        """Tell whether the distribution or Proxmox VE created the file."""
        patterns = (*SYSTEM, *(PROXMOX if isinstance(self.estate.host(host), Hypervisor) else ()))
        return any(fnmatchcase(path, pattern) for pattern in patterns)

    def is_ca_state(self, host: str, path: str) -> bool:
        """Tell whether the file is part of the CA's state."""
        return host == self.estate.guest_with("step_ca").name and path.startswith(f"{self.paths.state}/")
