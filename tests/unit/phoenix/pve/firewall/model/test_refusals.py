"""Whether the sender of a rejected connection sees the refusal, as recorded on Proxmox VE 8.4."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall
from phoenix.pve.firewall.model.evaluate import Packet, PacketEnd, evaluate
from phoenix.pve.firewall.model.refusals import refusal_is_seen
from tests.unit.phoenix.pve.firewall.firewalls import firewall, guest, packet, rule

REJECT_IN, REJECT_OUT = rule("in", "REJECT", dport="80", proto="tcp"), rule("out", "REJECT", dport="80", proto="tcp")
AT_RECEIVER = firewall(guests={101: guest(), 102: guest(REJECT_IN, vmid=102)})
AT_SENDER = firewall(guests={101: guest(REJECT_OUT), 102: guest(vmid=102, policy_in="ACCEPT")})
AT_NODE = firewall(REJECT_IN, guests={101: guest()})


def unfiltered(config: Firewall, vmid: int) -> Firewall:
    """The firewall with an unfiltered interface of a guest, which has no bridge of its own."""
    level = config.guests[vmid]
    nics = tuple(replace(nic, firewall=False) for nic in level.nics)
    return replace(config, guests={**config.guests, vmid: replace(level, nics=nics)})


@pytest.mark.parametrize(
    ("config", "sender", "receiver", "seen"),
    [
        (AT_RECEIVER, "pve", 102, True),
        (AT_RECEIVER, 101, 102, False),
        (AT_SENDER, 101, 102, True),
        (AT_NODE, 101, "pve", True),
        (unfiltered(AT_RECEIVER, 101), 101, 102, True),
    ],
)
def test_refusals(config: Firewall, sender: PacketEnd, receiver: PacketEnd, *, seen: bool) -> None:
    """A refusal that passes two filtered bridges is lost, any other reaches the sender of the connection."""
    one = packet(sender, receiver)
    assert evaluate(Chains(config), one).action == "REJECT"
    assert refusal_is_seen(Chains(config), one) is seen


def test_refusal_over_udp() -> None:
    """Over UDP no recording shows what the sender sees."""
    one: Packet = replace(packet(101, 102), proto="udp")
    assert refusal_is_seen(Chains(AT_RECEIVER), one) is None
