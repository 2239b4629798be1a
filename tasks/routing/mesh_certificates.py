"""The mesh's certificates: Traefik obtains them by ACME; this module handles what Traefik does not notice.

Traefik reads its storage only at start, and never removes a certificate from it. Its unit makes a restart lossless.
Each change here is therefore a restart with an edited storage, or with another renewal threshold.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from nornir.core.task import Task

from phoenix.conventions import MESH_CONFIG, MESH_STORAGE, MESH_UNIT
from phoenix.converge import Change, File, Observation, Outcome, Probe, Resource
from phoenix.derive.routes import routes
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest
from phoenix.pki.acme_storage import StoragePlan, plan_storage, read_storage
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.x509.validity import utc_now
from phoenix.run import Converge, Run
from phoenix.templating import shell_program

SUBJECT = "mesh certificates"
TITLE = "certificates of the mesh"

TORN = "torn"
LOOK = shell_program("traefik/look.sh", storage=MESH_STORAGE, torn=TORN)
"""Traefik writes its storage in place: a full disk or a power loss truncates it."""


class MeshCertificates:
    """A valid certificate for every route in the mesh's storage, and no other; `replaced` names get a new key.

    `route_files` are the desired route files by name. Traefik does not retry a name whose file it has already read.
    """

    def __init__(
        self,
        estate: Estate,
        authority: SeenAuthority | None,
        replaced: tuple[str, ...] = (),
        route_files: Mapping[str, File] = MappingProxyType({}),
    ) -> None:
        self.authority = authority
        self.validity = estate.settings.ca.mesh
        self.wanted = {route.name: route.hosts for route in routes(estate)}
        self.route_files = route_files
        self.replaced = replaced

    def probes(self) -> tuple[Probe, ...]:
        """Ask for names and certificates of the storage; keys stay on the host."""
        return (Probe("command", SUBJECT, LOOK), Probe("unit", MESH_UNIT))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Remove invalid certificates, renew stale ones, request missing ones; wait until all are there."""
        said = seen.outputs.get(SUBJECT, "")
        if TORN in said.splitlines():
            return self._anew()
        verdict = plan_storage(read_storage(said), self.wanted, self.authority, self.validity, utc_now())
        dropped = {
            **dict.fromkeys(self.replaced, "replaced by the operator"),
            **{name: drop.reason for name, drop in verdict.dropped.items()},
        }
        missing = [*verdict.missing, *(name for name in dropped if name in self.wanted)]
        return tuple(self._changes(seen, verdict, dropped, missing))

    def _anew(self) -> tuple[Change, ...]:
        empty = f"systemctl stop {MESH_UNIT} && : >{MESH_STORAGE} && start_unit {MESH_UNIT}"
        wait = self._with_functions(f"await {_words([*self.wanted])}")
        return (
            Change(TITLE, "remove", f"{MESH_STORAGE} is truncated", script=empty),
            Change(TITLE, "issue", ", ".join(self.wanted), script=wait),
        )

    def _changes(
        self, seen: Observation, verdict: StoragePlan, dropped: Mapping[str, str], missing: list[str]
    ) -> Iterator[Change]:
        if dropped:
            account = "account" if verdict.account_is_stale else ""
            script = f"forget {shlex.quote(' '.join(dropped))} {account}"
            yield Change(TITLE, "remove", _reasons(dropped), script=self._with_functions(script))
        elif verdict.missing and not verdict.renewed and self._gave_up(seen, verdict.missing):
            reason = "no certificate for " + ", ".join(verdict.missing)
            yield Change(f"unit {MESH_UNIT}", "restart", reason, script=f"restart_unit {MESH_UNIT}")
        if verdict.renewed:
            script = f"renew_all {_words([*verdict.renewed, *missing])}"
            yield Change(TITLE, "renew", _reasons(verdict.renewed), script=self._with_functions(script))
        elif missing:
            script = self._with_functions(f"await {_words(missing)}")
            yield Change(TITLE, "issue", ", ".join(missing), script=script)

    def _gave_up(self, seen: Observation, missing: tuple[str, ...]) -> bool:
        """Report whether Traefik runs and has read the route file of a missing name, so that it must have given up."""
        unit = seen.units.get(MESH_UNIT)
        files = (self.route_files[name] for name in missing if name in self.route_files)
        has_route = any(seen.text(file.path) == file.content for file in files)
        return unit is not None and unit.active == "active" and has_route

    def _with_functions(self, script: str) -> str:
        issuer = (self.authority.issuer if self.authority else None) or ""
        functions = shell_program(
            "traefik/certificates.sh",
            storage=MESH_STORAGE,
            config=MESH_CONFIG,
            unit=MESH_UNIT,
            spare=int(self.validity.before.total_seconds()) // 2,
            issuer=issuer,
        )
        return f"{functions}{script}"


def mesh_certificate_resources(run: Run, _mesh: Guest) -> tuple[Resource, ...]:
    """The certificates of the mesh alone."""
    return (MeshCertificates(run.estate, run.known_authority),)


renew_mesh_certificates = Converge("renew_mesh_certificates", mesh_certificate_resources)
"""Have every certificate of the mesh signed by the current signer, while the old ones are served."""


def replace_mesh_certificate(task: Task, run: Run, name: str) -> Outcome:
    """Replace a name's certificate and its key; connections wait until the new one is there."""
    replacing = MeshCertificates(run.estate, run.known_authority, (name,))
    if name not in replacing.wanted:
        raise TaskFailedError(f"the mesh has no certificate for {name}; it has {', '.join(replacing.wanted)}")
    return Outcome(task.host, run.session(task.host.name).converge([replacing]))


def _reasons(names: Mapping[str, str]) -> str:
    reasons = dict.fromkeys(names.values())
    return "; ".join(f"{', '.join(name for name in names if names[name] == why)}: {why}" for why in reasons)


def _words(names: list[str]) -> str:
    return " ".join(map(shlex.quote, names))
