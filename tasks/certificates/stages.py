"""Stages that several runbooks share: the leaves of hosts, first what can be done for many containers at once."""

from __future__ import annotations

from phoenix.derive.certificates import leaves_of
from phoenix.estate import Estate, Guest
from phoenix.run import Stage, Step, hypervisors
from phoenix.run.selectors import Selector
from phoenix.tasks.certificates.issue import issue_certificates, issue_together
from phoenix.tasks.certificates.web_certificate import serve_web_certificate, served_resources


def leaves(on: Selector[Guest]) -> tuple[Stage, ...]:
    """Issue leaves by token."""
    return (
        Stage("certificates together", (Step(issue_together, hypervisors, for_guests=True),)),
        Stage("certificates", (Step(issue_certificates, on),)),
    )


def web_certificates() -> Stage:
    """Issue and present the hypervisors' web certificates."""
    step = Step(serve_web_certificate, hypervisors, compares=served_resources)
    return Stage("web certificates", (step,))


def holders_of_leaves(estate: Estate) -> tuple[Guest, ...]:
    """Guests that have a leaf by token."""
    return tuple(guest for guest in estate.guests if leaves_of(estate, guest.name))
