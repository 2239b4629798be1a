"""What becomes of leaves on their host, beyond the decision about each of them."""

from __future__ import annotations

from phoenix.conventions import PROGRAMS, renewal_program
from phoenix.converge import Observation
from phoenix.derive.certificates import leaves_of
from phoenix.derive.renewal_schedule import stem
from phoenix.tasks.certificates.leaf_resource import RENEWAL_PROGRAMS, ObsoleteLeaves
from tests.support.inventories import example

LEAVES = leaves_of(example(), "portainer")


def test_known_leaves_stay() -> None:
    """Nothing is removed of what the inventory asks for."""
    seen = Observation(listings={RENEWAL_PROGRAMS: tuple(renewal_program(stem(leaf)) for leaf in LEAVES)})
    assert ObsoleteLeaves(LEAVES).changes(seen) == ()


def test_unknown_leaves_go_together() -> None:
    """Each leaf that nothing asks for is told, one script removes them all, and files that others use are spared."""
    seen = Observation(
        listings={
            RENEWAL_PROGRAMS: (f"{PROGRAMS}/renew-old", renewal_program(stem(LEAVES[0])), f"{PROGRAMS}/renew-older")
        }
    )
    found = ObsoleteLeaves(LEAVES).changes(seen)
    assert [change.resource for change in found] == [
        f"certificate of {PROGRAMS}/renew-old",
        f"certificate of {PROGRAMS}/renew-older",
    ]
    assert found[1].script == ""
    assert "timers='phoenix-renew-old.timer\nphoenix-renew-older.timer'\n" in found[0].script
    kept = found[0].script.partition("kept='")[2].partition("'")[0].splitlines()
    assert {leaf.key for leaf in LEAVES} < set(kept)
