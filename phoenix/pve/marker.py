"""What Phoenix notes in a guest's description: its owner, its origin, and the tags that Phoenix gave it. Pure.

The note is an HTML comment, which Proxmox VE does not display. It is written with the request that creates a guest, so
an interrupted creation is recognized, and it survives a removed tag (ADR 24).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NOTE = re.compile(r"<!-- phoenix (?P<fields>[^>]*?) ?-->\n?")
UNFINISHED, WAITS = "unfinished", "waits"


@dataclass(frozen=True)
class Marker:
    """The owner's tag, the template or image that the guest was made from, and the tags that Phoenix gave it.

    `is_unfinished` marks a guest whose creation has not ended, `waits` one that needs a restart for an option that
    Proxmox VE does not keep as pending.
    """

    owner: str
    origin: str = ""
    tags: tuple[str, ...] = ()
    is_unfinished: bool = False
    waits: bool = False


def read_marker(description: object) -> Marker | None:
    """Read the note from a description; None if it has none."""
    match = NOTE.search(str(description or ""))
    if match is None:
        return None
    words = match["fields"].split()
    fields = dict(word.partition("=")[::2] for word in words)
    tags = tuple(tag for tag in fields.get("tags", "").split(";") if tag)
    return Marker(fields.get("owner", ""), fields.get("origin", ""), tags, UNFINISHED in words, WAITS in words)


def write_marker(description: object, marker: Marker) -> str:
    """Put the note into a description in place of an earlier one; the operator's text stays as it is."""
    fields = [f"owner={marker.owner}"]
    fields += [f"origin={marker.origin}"] if marker.origin else []
    fields += [f"tags={';'.join(marker.tags)}"] if marker.tags else []
    fields += [UNFINISHED] if marker.is_unfinished else []
    fields += [WAITS] if marker.waits else []
    note, text = f"<!-- phoenix {' '.join(fields)} -->\n", NOTE.sub("", str(description or ""))
    return f"{text}{note}" if not text or text.endswith("\n") else f"{text}\n{note}"
