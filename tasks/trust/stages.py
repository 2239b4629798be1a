"""The stages of a distribution of trust, apart from all others: it is short, and loads only what it needs."""

from __future__ import annotations

from phoenix.estate import Estate
from phoenix.run import Stage, Step, everyone, hypervisors
from phoenix.tasks.trust.batch import push_together
from phoenix.tasks.trust.observe import observe_authority
from phoenix.tasks.trust.push import push_trust


def trust_distribution(_estate: Estate) -> tuple[Stage, ...]:
    """The anchors that the authority publishes, on every host."""
    return (
        Stage("authority", (Step(observe_authority, hypervisors, for_others=True),)),
        Stage("together", (Step(push_together, hypervisors, for_others=True),)),
        Stage("trust", (Step(push_trust, everyone),)),
    )
