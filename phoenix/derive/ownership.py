"""Whose guest is it? A tag, derived from estate and vmid, identifies the owner (ADR 24). Pure.

A clone keeps the tags of its origin but has another vmid, so it is nobody's until it is adopted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

from phoenix.estate import Estate

MARK = "phoenix"
"""The tag of every guest that Phoenix created or adopted, for people: it identifies no owner."""
DIGITS = 10


OWNER_TAG = re.compile(rf"{MARK}-[0-9a-f]{{{DIGITS}}}")


def is_owner_tag(tag: str) -> bool:
    """Report whether a tag identifies an owner, whoever that is."""
    return OWNER_TAG.fullmatch(tag) is not None


def owner_tag(estate: Estate, vmid: int) -> str:
    """Derive the tag that identifies a guest as this estate's, from the zone and the guest's vmid."""
    return f"{MARK}-{sha256(f'{estate.zone}/{vmid}'.encode()).hexdigest()[:DIGITS]}"


def owns(estate: Estate, vmid: int, tags: Iterable[str]) -> bool:
    """Report whether the estate created or adopted the guest with this vmid and these tags."""
    return owner_tag(estate, vmid) in tags
