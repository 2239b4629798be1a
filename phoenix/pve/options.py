"""Options of a guest: wanted against observed, compared by meaning. Pure.

Source: pct.conf(5), qm.conf(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.pve.guests import split_tags
from phoenix.pve.properties import is_property_string, property_differences, with_own_address

ABSENT = "absent"
SHOWN = 60
"""The characters that a message shows of a value; of longer ones, it shows where they differ."""


@dataclass(frozen=True)
class OptionChange:
    """One option that differs: the value to send (None deletes it), and the difference for a person."""

    key: str
    value: str | None
    difference: str


def option_change(key: str, wanted: str | None, observed: str | None) -> OptionChange | None:
    """Compare one option; None if its meaning is the wanted one."""
    if wanted is None:
        return None if observed is None else OptionChange(key, None, f"{key} is {_shown(observed)}, should be {ABSENT}")
    if observed is None:
        return OptionChange(key, wanted, f"{key} is {ABSENT}, should be {_shown(wanted)}")
    if is_property_string(key):
        return _property_change(key, wanted, observed)
    if _normal(key, wanted) == _normal(key, observed):
        return None
    return OptionChange(
        key, wanted, f"{key} is {_differing(observed, wanted)}, should be {_differing(wanted, observed)}"
    )


def tags_change(wanted: tuple[str, ...], former: tuple[str, ...], observed: str | None) -> OptionChange | None:
    """Compare the tags: those wanted are added, those that Phoenix gave formerly are removed, those of others stay."""
    current = split_tags(observed)
    target = tuple(sorted({*wanted, *(tag for tag in current if tag not in former)}))
    if set(target) == set(current):
        return None
    missing, surplus = sorted(set(target) - set(current)), sorted(set(current) - set(target))
    parts = [f"lack {', '.join(missing)}"] if missing else []
    parts += [f"have {', '.join(surplus)}, which the inventory no longer declares"] if surplus else []
    return OptionChange("tags", ";".join(target), f"tags {' and '.join(parts)}")


def _property_change(key: str, wanted: str, observed: str) -> OptionChange | None:
    differing = property_differences(key, wanted, observed)
    if not differing:
        return None
    parts = [
        f"{name or 'volume'} is {seen or ABSENT}, should be {want or ABSENT}"
        for name, (seen, want) in differing.items()
    ]
    return OptionChange(key, with_own_address(key, wanted, observed), f"{key}: {'; '.join(parts)}")


def _normal(key: str, value: str) -> object:
    match key:
        case "nameserver":
            return value.split()
        case "agent":
            return value.split(",", maxsplit=1)[0].removeprefix("enabled=")
        case "onboot" | "protection":
            return value not in {"", "0"}
    return value.strip()


def _shown(value: str) -> str:
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")


def _differing(value: str, other: str) -> str:
    """The value, or if it is long, the part of it that begins shortly before the difference."""
    if len(value) <= SHOWN:
        return repr(value)
    first = next((n for n, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), min(len(value), len(other)))
    start = max(0, first - SHOWN // 4)
    part = value[start : start + SHOWN]
    return repr(f"{'…' if start else ''}{part}{'…' if start + SHOWN < len(value) else ''}")
