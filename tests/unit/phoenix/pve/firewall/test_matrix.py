"""The matrix: who tries what, and what an outcome shows."""

from __future__ import annotations

import pytest

from phoenix.derive.flows import flows
from phoenix.estate import Guest, Hypervisor
from phoenix.pve.firewall.model.evaluate import Verdict
from phoenix.pve.firewall.model.from_estate import derived_firewall
from phoenix.pve.firewall.model.match import Action
from phoenix.pve.firewall.query.matrix import SAMPLE, Attempt, Matrix, Outcome, Tried, silent, surprises
from phoenix.report.matrix import as_text
from tests.support.inventories import example


def matrix() -> Matrix:
    """The example's."""
    return Matrix(example(), derived_firewall(example()), example().live())


def test_every_declared_port_is_tried() -> None:
    """Between hosts each port that a flow opens is tried, and the model says that it is open."""
    tried = {(one.source, one.dest, one.proto, one.port): one for one in matrix().attempts(full=False)}
    for flow in flows(example()):
        ends = [example().by_name.get(name) for name in (flow.source, flow.dest)]
        if all(isinstance(end, Guest | Hypervisor) for end in ends):
            for port in flow.ports:
                attempt = tried[flow.source, flow.dest, flow.protocol, port]
                assert matrix().expected(attempt).action == "ACCEPT", attempt


def test_a_sample_of_the_rest() -> None:
    """Of what is closed a few ports between every two hosts are tried, the same each time, and in full all of them."""
    some, every = (set(matrix().attempts(full=full)) for full in (False, True))
    assert some == set(matrix().attempts(full=False))
    assert some < every
    between = [one for one in some if (one.source, one.dest) == ("ollama", "llamacpp")]
    assert len(between) == SAMPLE
    assert all(matrix().expected(one).action == "DROP" for one in between)
    assert {("tcp", 1), ("tcp", 2375), ("tcp", 8006), ("udp", 53)} <= {
        (one.proto, one.port) for one in every if (one.source, one.dest) == ("ollama", "llamacpp")
    }


@pytest.mark.parametrize(
    ("proto", "says", "outcome", "odd"),
    [
        ("tcp", "ACCEPT", "open", False),
        ("tcp", "ACCEPT", "refused", False),
        ("tcp", "ACCEPT", "dropped", True),
        ("tcp", "ACCEPT", "unreachable", True),
        ("tcp", "ACCEPT", "untried", False),
        ("tcp", "DROP", "dropped", False),
        ("tcp", "DROP", "refused", True),
        ("tcp", "DROP", "open", True),
        ("tcp", "REJECT", "refused", False),
        ("tcp", "REJECT", "dropped", True),
        ("udp", "ACCEPT", "dropped", False),
        ("udp", "ACCEPT", "open", False),
        ("udp", "DROP", "dropped", False),
        ("udp", "DROP", "refused", True),
    ],
)
def test_outcomes(proto: str, says: Action, outcome: Outcome, *, odd: bool) -> None:
    """An outcome is odd if packets were treated otherwise than the model says; silence over UDP shows nothing."""
    tried = Tried(Attempt("a", "b", "10.0.0.2", proto, 80), Verdict(says), outcome)
    assert bool(surprises([tried])) is odd
    text = as_text([tried])
    assert ("the model says" in text) is odd
    assert ("could not be made" in text) is (outcome == "untried")


def test_a_host_that_hangs() -> None:
    """A host that cannot be entered and answers nobody shows nothing of a firewall; one that answers somebody does."""

    def one(source: str, dest: str, outcome: Outcome, port: int = 80) -> Tried:
        return Tried(Attempt(source, dest, "10.0.0.2", "tcp", port), Verdict("ACCEPT"), outcome)

    hanging = [one("a", "b", "dropped"), one("b", "a", "untried")]
    assert (silent(hanging), surprises(hanging)) == ({"b"}, [])
    assert "b: 1 attempts could not be made from there, and it answers nobody" in as_text(hanging)
    for answered in (one("c", "b", "open", 81), one("b", "c", "refused")):
        assert [str(two.attempt) for two in surprises([*hanging, answered])] == [str(hanging[0].attempt)]
