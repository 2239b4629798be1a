"""A guest's tag identifies its estate and its vmid."""

from __future__ import annotations

import pytest

from phoenix.derive.ownership import MARK, owner_tag, owns
from tests.support.estates import estate

OURS, OTHER = estate(), estate(zone="other.test")


@pytest.mark.parametrize(
    ("tags", "owned"),
    [
        ((MARK, owner_tag(OURS, 120)), True),
        ((owner_tag(OURS, 120), "prod"), True),
        ((), False),
        ((MARK,), False),
        ((MARK, owner_tag(OURS, 121)), False),
        ((MARK, owner_tag(OTHER, 120)), False),
    ],
)
def test_owner(tags: tuple[str, ...], owned: bool) -> None:  # noqa: FBT001  # a column of the table
    """Neither Phoenix's mark, nor the tag of a clone's origin, nor that of another estate makes a guest ours."""
    assert owns(OURS, 120, tags) == owned


def test_tag_is_legal() -> None:
    """Proxmox accepts tags of lower-case letters, digits and hyphens (pve-common, pve-tag)."""
    assert owner_tag(OURS, 120).replace("-", "").isalnum()
    assert owner_tag(OURS, 120) == owner_tag(OURS, 120).lower()
