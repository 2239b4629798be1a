"""Recorded verdicts compared with the model's."""

from __future__ import annotations

from phoenix.pve.firewall.replay.compare import firewall_of, packet_of, replay
from tests.unit.phoenix.pve.firewall.firewalls import action
from tests.unit.phoenix.pve.firewall.replay.recordings import RECORDED, recorded_cases


@RECORDED
def test_every_recorded_verdict() -> None:
    """The model agrees with Proxmox on all 17,146 recorded packets."""
    results = list(replay(recorded_cases()))
    assert [str(one) for one in results if one.differs] == []
    assert len(results) == 17146


@RECORDED
def test_recording_depends_on_the_order_of_rules() -> None:
    """With every list of rules reversed the model differs in 69 packets: the recording detects a wrong order."""
    differing = 0
    for case in recorded_cases():
        for level in (case["cluster"], *case["guests"].values()):
            level["rules"] = level["rules"][::-1]
        differing += sum(one.differs for one in replay([case]))
    assert differing == 69


def test_replay_reads_minimal_cases() -> None:
    """A case may omit its optional keys; a rule without `enable` is off, as in the API."""
    off = {"type": "in", "action": "ACCEPT"}
    case = {
        "local_network": "10.0.0.0/24",
        "host_ip": "10.0.0.13",
        "cluster": {"options": {"enable": 1}},
        "guests": {"101": {"ip": "10.0.0.101", "nic_firewall": 1, "options": {"enable": 1}, "rules": [off]}},
    }
    one = {"from": "outside", "to": "ct101", "proto": "tcp", "source": "203.0.113.9", "dest": "10.0.0.101", "dport": 80}
    assert action(firewall_of(case), packet_of(one)) == "DROP"
