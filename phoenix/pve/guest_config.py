"""The configuration of a guest as it runs, and as it will be after its next start. Pure.

Source: Proxmox VE API, GET …/pending: each option has its value, the value that waits for a restart, or its deletion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GuestConfig:
    """Options by name: `running` are in effect, `next` take effect at the next start."""

    running: Mapping[str, str]
    next: Mapping[str, str]

    @property
    def waiting(self) -> tuple[str, ...]:
        """The options that wait for a restart."""
        keys = sorted({*self.running, *self.next})
        return tuple(key for key in keys if self.running.get(key) != self.next.get(key))


def read_config(entries: Iterable[Mapping[str, Any]]) -> GuestConfig:
    """Read the list of options of a guest."""
    listed = [entry for entry in entries if entry["key"] != "digest"]
    running = {str(entry["key"]): option_text(entry["value"]) for entry in listed if "value" in entry}
    waiting = {str(entry["key"]): option_text(entry["pending"]) for entry in listed if "pending" in entry}
    deleted = {str(entry["key"]) for entry in listed if entry.get("delete")}
    return GuestConfig(running, {key: value for key, value in (running | waiting).items() if key not in deleted})


def option_text(value: object) -> str:
    """Write a value of the API as text; booleans are numbers there."""
    return str(int(value)) if isinstance(value, bool) else str(value).strip()
