"""Trust: the estate's anchors in every store of a host of `trusted_ca`, and on no other host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.conventions import BUNDLE, SETTINGS
from phoenix.converge import MADE, Change, Directory, File, ManagedGlob, Observation, Probe, Resource
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pki.bundle import Bundle
from phoenix.run import Converge, Run
from phoenix.tasks.trust.other_stores import OtherStores
from phoenix.tasks.trust.readers import Readers
from phoenix.tasks.trust.system_store import MARK, SystemStore, interrupted

CERTS_D = "/etc/docker/certs.d"


@dataclass(frozen=True)
class Trust:
    """The bundle and every store of a host, and the services that read them; a mark exists during the change."""

    bundle: Bundle

    @property
    def _file(self) -> File | ManagedGlob:
        return File(BUNDLE, self.bundle.pem) if self.bundle.anchors else ManagedGlob(BUNDLE, ())

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the services, the stores and the bundle."""
        readers = Readers().probes() if self.bundle.anchors else ()
        parts: tuple[Resource, ...] = (SystemStore(self.bundle), self._file, OtherStores(self.bundle))
        return (*readers, *(probe for part in parts for probe in part.probes()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Change the bundle, then the stores, then reload the services that read them."""
        system = SystemStore(self.bundle)
        bundle, store = self._file.changes(seen), system.changes(seen)
        found = (*bundle, *store, *OtherStores(self.bundle).changes(seen))
        differs = self._differs(seen) or interrupted(seen)
        told = Readers().told(seen, self.bundle, store=bool(store), bundle=differs) if self.bundle.anchors else ()
        if not (found or told):
            return ()
        return (system.mark(seen), *found, *told, Change("trust", "update", script=f"rm -f {MARK}", guard=True))

    def is_plain(self, seen: Observation) -> bool:
        """Report whether something differs, and all of it is files and links of the system store."""
        told = Readers().told(seen, self.bundle, store=True, bundle=True)
        return bool(self.bundle.anchors and self.changes(seen)) and not (OtherStores(self.bundle).changes(seen) or told)

    @property
    def texts(self) -> dict[str, str]:
        """The files that plain changes write."""
        return {BUNDLE: self.bundle.pem, **{file.path: file.content for file in SystemStore(self.bundle).files}}

    def _differs(self, seen: Observation) -> bool:
        return bool(self.bundle.anchors) and seen.text(BUNDLE) != self.bundle.pem


def trust_resources(run: Run, host: Hypervisor | Guest) -> tuple[Resource, ...]:
    """A host's trust; empty for a trusting host before there is a root."""
    if run.known_authority is None and host.has("trusted_ca"):
        return ()
    return trust_in(run.known_authority.bundle if run.known_authority else Bundle(()), run.estate, host)


def trust_in(bundle: Bundle, estate: Estate, host: Hypervisor | Guest) -> tuple[Resource, ...]:
    """A host's trust in the anchors of a bundle: none of them if the host is not in `trusted_ca`."""
    if not host.has("trusted_ca"):
        return (Trust(Bundle(())),)
    return (Directory(SETTINGS), Trust(bundle), *_registries(estate, host, bundle))


def _registries(estate: Estate, host: Guest | Hypervisor, bundle: Bundle) -> Iterator[Resource]:
    """The estate's own image registries: Docker reads their anchors at every pull."""
    if not host.has("docker"):
        return
    zones = (estate.zone, *estate.settings.alias_zones)
    images = [container.image for guest in estate.guests for container in guest.containers.values()]
    names = sorted({image.partition("/")[0] for image in images if "/" in image})
    inside = [name for name in names if name.endswith(tuple(f".{zone}" for zone in zones))]
    files = tuple(File(f"{CERTS_D}/{name}/ca.crt", f"# Made from {MADE}.\n{bundle.pem}") for name in inside)
    yield from files
    yield from (ManagedGlob(f"{CERTS_D}/*.{zone}/ca.crt", tuple(file.path for file in files)) for zone in zones)


def _lacks_root(run: Run, host: Hypervisor | Guest) -> str:
    if run.known_authority is None and host.has("trusted_ca"):
        return "the estate's root is not known: deploy the authority first"
    return ""


push_trust = Converge("push_trust", trust_resources, blocked=_lacks_root)
"""Make the host trust the estate's authority, or stop trusting it if the host is not in `trusted_ca`."""
