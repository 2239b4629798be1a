"""Options of a guest or template: which differ from the inventory, and the note in the description. Pure.

Sources: pct.conf(5), qm.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from phoenix.derive.guests import OPTIONAL, tags
from phoenix.derive.ownership import is_owner_tag, owner_tag
from phoenix.estate import Estate, Guest, Machine
from phoenix.pve.firewall.plan.level import Write
from phoenix.pve.guest_config import GuestConfig
from phoenix.pve.guests import split_tags
from phoenix.pve.marker import Marker, write_marker
from phoenix.pve.options import OptionChange, option_change, tags_change
from phoenix.pve.properties import without_address

DESCRIPTION = "description"


@dataclass(frozen=True)
class SeenMachine:
    """A guest or template as Proxmox VE has it, and whether it runs.

    `firewall` are the writes that complete the firewall of a guest that does not run. `adopts` is a description of a
    guest that another owner created and that is to be taken over, empty for a guest of this estate.
    """

    config: GuestConfig
    is_running: bool
    firewall: tuple[Write, ...] = ()
    adopts: str = ""


def marker_of(estate: Estate, machine: Machine, *, is_unfinished: bool = False) -> Marker:
    """The note in the description of a machine that this estate creates."""
    given = tuple(sorted(tag.lower() for tag in machine.tags))
    return Marker(owner_tag(estate, machine.vmid), origin_of(machine), given, is_unfinished)


def origin_of(machine: Machine) -> str:
    """What a machine is made from: a template by its name, or a volume."""
    return machine.clone_of or machine.ostemplate or machine.disk_image or ""


def title(machine: Machine) -> str:
    """The machine's title in a plan."""
    return f"guest {machine.vmid} {machine.name}"


def option_changes(
    estate: Estate, machine: Machine, wanted: Mapping[str, str], seen: SeenMachine, own: Marker | None
) -> Iterator[OptionChange]:
    """The options that differ, in the order of their derivation, and the note in the description."""
    config = seen.config.next
    absent = OPTIONAL if isinstance(machine, Guest) else ()
    for key, value in {**dict.fromkeys(absent), **_without_own_address(machine, wanted)}.items():
        if key == "tags":
            former = (*(own.tags if own else ()), *filter(is_owner_tag, split_tags(config.get(key))))
            change = tags_change(tags(estate, machine), former, config.get(key))
        else:
            change = option_change(key, value, config.get(key))
        if change:
            yield change
    if own != replace(_kept(estate, machine, seen, own), waits=bool(own and own.waits)):
        text = "" if seen.adopts or own else "the note of its owner is missing in the description"
        yield OptionChange(DESCRIPTION, note_text(estate, machine, seen, own, waits=bool(own and own.waits)), text)


def _kept(estate: Estate, machine: Machine, seen: SeenMachine, own: Marker | None) -> Marker:
    marker = marker_of(estate, machine)
    return Marker(marker.owner, own.origin if own and not seen.adopts else "", marker.tags)


def note_text(estate: Estate, machine: Machine, seen: SeenMachine, own: Marker | None, *, waits: bool) -> str:
    """The description with the note; `waits`: a restart is needed that Proxmox VE does not remember."""
    marker = replace(_kept(estate, machine, seen, own), waits=waits)
    return write_marker(seen.config.next.get(DESCRIPTION), marker)


def _without_own_address(machine: Machine, wanted: Mapping[str, str]) -> dict[str, str]:
    """Leave out a MAC address that the inventory does not name: the present one stays."""
    is_free = "net0" in wanted and isinstance(machine, Guest) and machine.mac is None
    return {**wanted, **({"net0": without_address(wanted["net0"])} if is_free else {})}
