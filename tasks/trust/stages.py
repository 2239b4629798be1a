"""The stages of a distribution of trust, apart from all others: it is short, and loads only what it needs."""

from __future__ import annotations

from phoenix.estate import Estate
from phoenix.run import Stage, Step, everyone, hypervisors
from tasks.trust.authority import observe_authority
from tasks.trust.push import push_trust
from tasks.trust.together import push_together


def trust_distribution(_estate: Estate) -> tuple[Stage, ...]:
    """The anchors that the authority publishes, on every host."""
    return (
        Stage("authority", (Step(observe_authority, hypervisors, for_others=True),)),
        Stage("together", (Step(push_together, hypervisors, for_others=True),)),
        Stage("trust", (Step(push_trust, everyone),)),
    )
