"""The matrix: which connections are attempted."""

from __future__ import annotations

from phoenix.derive.flows import flows
from phoenix.estate import Guest, Hypervisor
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.query.matrix import SAMPLE, Matrix
from tests.support.inventories import example


def matrix() -> Matrix:
    """The matrix of the example estate."""
    return Matrix(example(), firewall_from_estate(example()), example().live())


def test_every_declared_port_is_tried() -> None:
    """Each port of a flow between hosts is tried, and the model expects it to be open."""
    tried = {(one.source, one.dest, one.proto, one.port): one for one in matrix().attempts(full=False)}
    for flow in flows(example()):
        ends = [example().by_name.get(name) for name in (flow.source, flow.dest)]
        if all(isinstance(end, Guest | Hypervisor) for end in ends):
            for port in flow.ports:
                attempt = tried[flow.source, flow.dest, flow.protocol, port]
                assert matrix().expected(attempt).action == "ACCEPT", attempt


def test_sample() -> None:
    """Of the closed ports between two hosts a few are tried, the same in each run; a full matrix tries all."""
    some, every = (set(matrix().attempts(full=full)) for full in (False, True))
    assert some == set(matrix().attempts(full=False))
    assert some < every
    between = [one for one in some if (one.source, one.dest) == ("ollama", "llamacpp")]
    assert len(between) == SAMPLE
    assert all(matrix().expected(one).action == "DROP" for one in between)
    assert {("tcp", 1), ("tcp", 2375), ("tcp", 8006), ("udp", 53)} <= {
        (one.proto, one.port) for one in every if (one.source, one.dest) == ("ollama", "llamacpp")
    }
