"""What the rendered filter does before any rule: it drops what conntrack calls invalid, refusals included."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.packet_filter import nft
from phoenix.lab.pve.packet_filter.ruleset import PacketFilter


def test_invalid_packets_are_dropped_first() -> None:
    """No hook accepts an invalid packet: the refusal of a closed port is invalid at its second bridge.

    Source: the first rules of PVEFW-FORWARD, PVEFW-HOST-IN and PVEFW-HOST-OUT; fact `firewall-refusals`.
    """
    text = nft.render(PacketFilter((), (), (), ()))
    hooks = re.findall(
        r"type filter hook (forward|input|output) priority 0; policy accept;\n(.*?)\n  }", text, re.DOTALL
    )
    assert [name for name, _ in hooks] == ["forward", "input", "output"]
    for _, lines in hooks:
        rules = [line.strip() for line in lines.splitlines() if 'name "lo"' not in line]
        assert rules[:2] == ["ct state established,related accept", "ct state invalid drop"]
        assert not [rule for rule in rules if "invalid" in rule and "accept" in rule]
