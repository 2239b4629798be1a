"""Services that read anchors only at start: reloaded once, in order, where they run and their anchors differ."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from phoenix.conventions import (
    BUNDLE,
    DOCKER_UNIT,
    EDGE_ANCHORS,
    EDGE_UNIT,
    MESH_ANCHORS,
    MESH_UNIT,
    REGISTRATION_UNIT,
    SYSTEMD,
)
from phoenix.converge import Change, Observation, Probe
from phoenix.converge.change import Verb
from phoenix.pki.bundle import Bundle

RESTART_DOCKER = files("phoenix.tasks.trust").joinpath("docker_restart.sh").read_text("utf-8") + "restart_docker"
# Registration fails while Portainer's own certificate is not trusted, and is retried when it is replaced.
REGISTER = f"timeout 120 systemctl start {REGISTRATION_UNIT} || true"
ACTIVE = "/run/systemd/units/invocation"
"""systemd keeps a link for each active unit; testing for it starts no process."""


@dataclass(frozen=True)
class Reader:
    """A unit that reads the system's `store` or our `bundle`, how to reload it, and where it may name the bundle.

    `loaded` is a copy of the bundle that it has read: where it exists, the unit is reloaded exactly if it differs.
    """

    unit: str
    reads: str
    verb: Verb
    script: str
    named_in: str = ""
    loaded: str = ""

    @property
    def concerned(self) -> str:
        """Shell condition: the unit runs, and reads the anchors."""
        active = f"[ -L {ACTIVE}:{self.unit} ]"
        return f"{active} && grep -rqsF {BUNDLE} {self.named_in}" if self.named_in else active

    def change(self) -> Change:
        """Reload it, if it still runs."""
        script = f"if {self.concerned}; then\n{self.script}\nfi"
        return Change(f"unit {self.unit}", self.verb, "it reads anchors only at start", script=script)


class _Registration(Reader):
    """Portainer's registration of its agents, which holds the bundle: a oneshot unit."""

    @property
    def concerned(self) -> str:
        return f"[ -e {SYSTEMD}/{self.unit} ]"


READERS = (
    Reader(DOCKER_UNIT, "store", "restart", RESTART_DOCKER),
    Reader(
        EDGE_UNIT,
        "bundle",
        "reload",
        f"timeout 60 systemctl reload {EDGE_UNIT}",
        named_in="/etc/nginx",
        loaded=EDGE_ANCHORS,
    ),
    Reader(MESH_UNIT, "bundle", "restart", f"restart_unit {MESH_UNIT}", loaded=MESH_ANCHORS),
    _Registration(REGISTRATION_UNIT, "bundle", "start", REGISTER),
)


@dataclass(frozen=True)
class Readers:
    """All readers, in the order of their dependencies."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask which readers there are, and which bundle they have read."""
        asked = "; ".join(f"if {reader.concerned}; then echo {reader.unit}; fi" for reader in READERS)
        loaded = (Probe("content", reader.loaded) for reader in READERS if reader.loaded)
        return (Probe("command", "readers of anchors", asked), *loaded)

    def told(self, seen: Observation, wanted: Bundle, *, store: bool, bundle: bool) -> tuple[Change, ...]:
        """Reload the readers whose anchors changed, or that have read another bundle."""
        there = seen.outputs.get("readers of anchors", "").split()
        changed = {"store": store, "bundle": bundle}

        def is_due(reader: Reader) -> bool:
            loaded = seen.text(reader.loaded)
            return changed[reader.reads] if loaded is None else loaded != wanted.pem

        return tuple(reader.change() for reader in READERS if reader.unit in there and is_due(reader))
