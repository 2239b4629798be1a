"""The CA's state as a resource, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from phoenix.conventions import CA_CONFIG, CA_STATE
from phoenix.converge import Change, Observation, Probe
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.pki.ca.config import CaSettings, Signing, read_config, signing
from phoenix.pki.ca.state import (
    BEGUN,
    CERTIFICATES,
    KEYS,
    NEEDED,
    RESTORING,
    ROOT_KEY,
    SeenState,
    damage,
    signing_root,
    too_old,
    uncovered_names,
)
from phoenix.pki.x509.validity import utc_now
from phoenix.run import Run
from phoenix.templating import shell_program

USER = "step"
CONFIG = f"{CA_STATE}/{CA_CONFIG}"
WAYS_OUT = "Restore a backup with `phoenix authority restore FILE`, or replace the CA with `phoenix deploy --reset-ca`"


class CaStateProbes:
    """Questions about the CA's state, for tasks that only read it."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the state."""
        return state_probes()

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Change nothing."""
        return ()


def look(run: Run) -> ValidCaState:
    """Read the CA's current state; TaskFailedError if there is none."""
    found = valid_ca_state(run.session(run.estate.guest_with("step_ca").name).observe([CaStateProbes()]))
    if found is None:
        raise TaskFailedError("there is no authority yet: deploy it first")
    return found


def state_probes() -> tuple[Probe, ...]:
    """Questions about the state: existing paths, certificates, ca.json, and public halves of keys."""
    parts = dict.fromkeys((*NEEDED, *BEGUN, RESTORING, *CERTIFICATES, *KEYS, ROOT_KEY))
    return (
        Probe("command", "authority", shell_program("step_ca/present.sh", state=CA_STATE, parts=parts)),
        Probe("content", CONFIG),
        *(Probe("content", f"{CA_STATE}/{path}") for path in CERTIFICATES),
        *(Probe("command", f"public key of {path}", _public_half(path)) for path in KEYS),
    )


def seen_state(seen: Observation) -> SeenState:
    """Read the state from an observation."""
    certificates = {path: text for path in CERTIFICATES if (text := seen.text(f"{CA_STATE}/{path}"))}
    keys = {path: seen.outputs.get(f"public key of {path}", "") for path in KEYS}
    present = frozenset(seen.outputs.get("authority", "").split())
    return SeenState(present, seen.text(CONFIG), certificates, keys)


@dataclass(frozen=True)
class ValidCaState:
    """A valid state: its ca.json, and the files that sign."""

    state: SeenState
    config: dict[str, Any]
    signs: Signing


def valid_ca_state(seen: Observation) -> ValidCaState | None:
    """Validate the state; None if it is absent or incomplete, TaskFailedError if it is damaged."""
    state = seen_state(seen)
    if state.absent or state.begun:
        return None
    problems = damage(state)
    if problems:
        raise TaskFailedError(
            f"the authority's state in {CA_STATE} is damaged: {'; '.join(problems)}. {WAYS_OUT}. "
            "Nothing was changed: a new root would break every certificate at once"
        )
    config = read_config(state.config)
    return ValidCaState(state, config, signing(config))


class State:
    """The CA's state: created if absent, completed if interrupted, refused if damaged."""

    def __init__(self, init: str, estate: Estate, settings: CaSettings) -> None:
        self.init = init
        self.estate = estate
        self.settings = settings

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the state."""
        return state_probes()

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Create an absent state, continue an interrupted creation, refuse a damaged state."""
        found = valid_ca_state(seen)
        if found is None:
            return (Change(f"authority in {CA_STATE}", "create", script=f"({self.init})"),)
        for problem in self._outlived(found):
            raise TaskFailedError(f"{problem}. Nothing was changed")
        return ()

    def _outlived(self, found: ValidCaState) -> Iterator[str]:
        pems = found.state.certificates
        root = signing_root(found.state, found.signs) or found.signs.roots[0]
        domains, networks = constraints(self.estate)
        if lacking := uncovered_names(pems[root], domains, networks):
            yield f"the authority's root may not sign for {lacking}: run phoenix rotate --root"
        longest = max(self.settings.max_lifetime, self.settings.mesh_lifetime)
        if old := too_old(pems[root], pems[found.signs.certificate], longest, utc_now()):
            yield old


def constraints(estate: Estate) -> tuple[tuple[str, ...], tuple[IPv4Network, ...]]:
    """The domains and networks of the name constraints of root and intermediate.

    They include the address of a node outside the subnet, if its web server has a certificate.
    """
    subnet = estate.settings.network.subnet
    nodes = (node.address for node in estate.hypervisors if node.web_certificate and node.address not in subnet)
    return estate.zones, (subnet, IPv4Network("127.0.0.0/8"), *map(IPv4Network, nodes))


def _public_half(path: str) -> str:
    return f"openssl pkey -in {CA_STATE}/{path} -passin file:{CA_STATE}/secrets/password -pubout"
