"""What observers report, as arrivals of attempts; carriers of hosts."""

from __future__ import annotations

import pytest

from phoenix.pve.firewall.query.attempt import Attempt
from phoenix.tasks.firewall.arrivals import Arrivals, read_arrivals
from phoenix.tasks.firewall.attempts import BATCH, duration
from phoenix.tasks.firewall.carriers import carriers
from tests.support.inventories import example

LINES = (
    "web ready",
    "web tcp 10.0.0.1 10.0.0.2 80",
    "web complete",
    "db ready",
    "db tcp 10.0.0.1 10.0.0.3 80",
    "",
)
HOSTS = ("web", "db")


@pytest.mark.parametrize(
    ("attempt", "arrived"),
    [
        (Attempt("a", "web", "10.0.0.2", "tcp", 80), True),
        (Attempt("a", "web", "10.0.0.2", "tcp", 81), False),
        (Attempt("a", "web", "10.0.0.2", "udp", 80), False),
        (Attempt("a", "db", "10.0.0.3", "tcp", 80), None),
        (Attempt("a", "gone", "10.0.0.4", "tcp", 80), None),
    ],
)
def test_arrived(attempt: Attempt, *, arrived: bool | None) -> None:
    """An attempt arrived if its packet was seen; a host that was not observed, or not completely, is unknown."""
    assert Arrivals(read_arrivals(LINES, HOSTS)).arrived(attempt, ("10.0.0.1",)) is arrived


def test_arrived_from_another_host() -> None:
    """A packet of another sender is no evidence; one from any address of the sender is."""
    arrivals, attempt = Arrivals(read_arrivals(LINES, HOSTS)), Attempt("a", "web", "10.0.0.2", "tcp", 80)
    assert arrivals.arrived(attempt, ("10.0.0.9",)) is False
    assert arrivals.arrived(attempt, ("10.0.0.9", "10.0.0.1")) is True


def test_carriers() -> None:
    """A node carries itself and its containers, each with its vmid; a virtual machine carries itself."""
    assert carriers(example(), ("pve", "traefik", "ollama", "drphoenix")) == {
        "pve": {"pve": "", "traefik": "102", "ollama": "914"},
        "drphoenix": {"drphoenix": ""},
    }


def test_machine_that_reports_on_another() -> None:
    """What a machine reports on a host that it does not serve is ignored."""
    assert read_arrivals(LINES, ("db",)) == {}
    assert read_arrivals(LINES, ("web", "gone")).keys() == {"web"}


def test_duration_of_many_attempts() -> None:
    """Observers outlast the attempts: the busiest host makes one batch after the other."""
    few = [Attempt("a", "web", "10.0.0.2", "tcp", port) for port in range(10)]
    many = [Attempt("b", "web", "10.0.0.2", "tcp", port) for port in range(5 * BATCH)]
    assert duration(many + few, limit=3) - duration(few, limit=3) >= 5 * 3
    assert duration([], limit=3) > 0
