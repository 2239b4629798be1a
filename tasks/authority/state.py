"""The authority's files as resources: its state as a whole, ca.json, and the certificates that it publishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from phoenix.conventions import CA_STATE
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
    outgrown,
    signing_root,
    too_old,
)
from phoenix.pki.leaf import utc_now
from phoenix.run import Run
from phoenix.templating import shell_program

USER = "step"
CONFIG = f"{CA_STATE}/config/ca.json"
WAYS_OUT = (
    "`runbooks/authority.py restore FILE` with a backup brings it back, `runbooks/deploy.py --reset-ca` gives it up"
)


class StateQuestions:
    """What there is of the authority, for tasks that only look."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the state."""
        return state_probes()

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Change nothing."""
        return ()


def look(run: Run) -> Judged:
    """The authority's state as it is now; an error if there is none."""
    found = judged(run.session(run.estate.guest_with("step_ca").name).observe([StateQuestions()]))
    if found is None:
        raise TaskFailedError("there is no authority yet: deploy it first")
    return found


def state_probes() -> tuple[Probe, ...]:
    """Ask for what a judgement of the state needs: what is there, public things, and public halves of keys."""
    parts = dict.fromkeys((*NEEDED, *BEGUN, RESTORING, *CERTIFICATES, *KEYS, ROOT_KEY))
    return (
        Probe("command", "authority", shell_program("step_ca/present.sh", state=CA_STATE, parts=parts)),
        Probe("content", CONFIG),
        *(Probe("content", f"{CA_STATE}/{path}") for path in CERTIFICATES),
        *(Probe("command", f"public key of {path}", _public_half(path)) for path in KEYS),
    )


def seen_state(seen: Observation) -> SeenState:
    """What an observation says of the state."""
    certificates = {path: text for path in CERTIFICATES if (text := seen.text(f"{CA_STATE}/{path}"))}
    keys = {path: seen.outputs.get(f"public key of {path}", "") for path in KEYS}
    present = frozenset(seen.outputs.get("authority", "").split())
    return SeenState(present, seen.text(CONFIG), certificates, keys)


@dataclass(frozen=True)
class Judged:
    """A sound state: its ca.json, and which of its files sign."""

    state: SeenState
    config: dict[str, Any]
    signs: Signing


def judged(seen: Observation) -> Judged | None:
    """A state that is whole; None if there is none, or one that was being made; an error says what is damaged."""
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
    return Judged(state, config, signing(config))


class State:
    """The authority's files: none, all of them and sound, or something that is for a person to look at."""

    def __init__(self, init: str, estate: Estate, settings: CaSettings) -> None:
        self.init = init
        self.estate = estate
        self.settings = settings

    def probes(self) -> tuple[Probe, ...]:
        """Ask for everything at once."""
        return state_probes()

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make the state if there is none, go on where that was interrupted, and refuse to touch a damaged one."""
        found = judged(seen)
        if found is None:
            return (Change(f"authority in {CA_STATE}", "create", script=f"({self.init})"),)
        for problem in self._outlived(found):
            raise TaskFailedError(f"{problem}. Nothing was changed")
        return ()

    def _outlived(self, found: Judged) -> Iterator[str]:
        pems = found.state.certificates
        root = signing_root(found.state, found.signs) or found.signs.roots[0]
        domains, networks = constraints(self.estate)
        if lacking := outgrown(pems[root], domains, networks):
            yield f"the authority's root may not sign for {lacking}: run runbooks/rotate.py --root"
        longest = max(self.settings.longest, self.settings.mesh)
        if old := too_old(pems[root], pems[found.signs.certificate], longest, utc_now()):
            yield old


def constraints(estate: Estate) -> tuple[tuple[str, ...], tuple[IPv4Network, ...]]:
    """The domains and networks that root and intermediate may sign for."""
    domains = (estate.zone, *estate.settings.alias_zones)
    return domains, (estate.settings.network.subnet, IPv4Network("127.0.0.0/8"))


def _public_half(path: str) -> str:
    return f"openssl pkey -in {CA_STATE}/{path} -passin file:{CA_STATE}/secrets/password -pubout"
