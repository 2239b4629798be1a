"""Programs that read anchors only when they start: told in order, once, where they run and it matters to them."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.converge import Change, Observation, Probe
from phoenix.converge.change import Verb
from phoenix.converge.files import SYSTEMD
from tasks.converging import BUNDLE_FILE

ACTIVE = "/run/systemd/units/invocation"
"""systemd keeps a link for each unit that is active; asking for it costs no process."""


@dataclass(frozen=True)
class Reader:
    """A unit, what it reads (`store` or `bundle`), how it is told, and shell that says whether this concerns it."""

    unit: str
    reads: str
    verb: Verb
    concerned: str

    def change(self) -> Change:
        """Tell it, if it still runs."""
        how = "restart_unit" if self.verb == "restart" else f"timeout 120 systemctl {self.verb}"
        script = f"if {self.concerned}; then {how} {self.unit}; fi"
        return Change(f"unit {self.unit}", self.verb, "it reads anchors only then", script=script)


def _active(unit: str) -> str:
    return f"[ -L {ACTIVE}:{unit} ]"


REGISTRATION = "phoenix-register-agents.service"
READERS = (
    Reader("docker.service", "store", "restart", _active("docker.service")),
    Reader(
        "nginx.service",
        "bundle",
        "reload",
        f"{_active('nginx.service')} && grep -rqsF {BUNDLE_FILE} /etc/nginx",
    ),
    Reader("traefik.service", "bundle", "restart", _active("traefik.service")),
    Reader(REGISTRATION, "bundle", "start", f"[ -e {SYSTEMD}/{REGISTRATION} ]"),
)


@dataclass(frozen=True)
class Readers:
    """All of them, in the order in which they depend on each other."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask which are there."""
        asked = "; ".join(f"if {reader.concerned}; then echo {reader.unit}; fi" for reader in READERS)
        return (Probe("command", "readers of anchors", asked),)

    def told(self, seen: Observation, *, store: bool, bundle: bool) -> tuple[Change, ...]:
        """Tell those for whom something changed."""
        there = seen.outputs.get("readers of anchors", "").split()
        changed = {"store": store, "bundle": bundle}
        return tuple(reader.change() for reader in READERS if reader.unit in there and changed[reader.reads])
