"""What becomes of leaves on their host, beyond the decision about each of them."""

from __future__ import annotations

from phoenix.converge import Observation
from phoenix.derive.certificates import leaves_of
from phoenix.tasks.certificates.leaf import SCRIPTS, ObsoleteLeaves, renewal_script
from tests.support.inventories import example

LEAVES = leaves_of(example(), "portainer")
LISTING = f"{SCRIPTS}/renew-*"


def test_known_leaves_stay() -> None:
    """Nothing is removed of what the inventory asks for."""
    seen = Observation(listings={LISTING: tuple(map(renewal_script, LEAVES))})
    assert ObsoleteLeaves(LEAVES).changes(seen) == ()


def test_unknown_leaves_go_together() -> None:
    """Each leaf that nothing asks for is told, one script removes them all, and files that others use are spared."""
    seen = Observation(
        listings={LISTING: (f"{SCRIPTS}/renew-old", renewal_script(LEAVES[0]), f"{SCRIPTS}/renew-older")}
    )
    found = ObsoleteLeaves(LEAVES).changes(seen)
    assert [change.resource for change in found] == [
        f"certificate of {SCRIPTS}/renew-old",
        f"certificate of {SCRIPTS}/renew-older",
    ]
    assert found[1].script == ""
    assert "disable --quiet --no-reload --now phoenix-renew-old.timer phoenix-renew-older.timer" in found[0].script
    assert all(f" {leaf.key} " in found[0].script for leaf in LEAVES)
