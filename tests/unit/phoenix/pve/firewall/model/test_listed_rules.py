"""Rules that Proxmox skips are skipped by the model, too."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import IpSetEntry
from phoenix.pve.firewall.model.evaluate import evaluate
from tests.unit.phoenix.pve.firewall.firewalls import firewall, guest, packet, rule

ACCEPT_WEB = rule("in", "ACCEPT", proto="tcp", dport="80")
SIXTEEN = ",".join(str(port) for port in range(1, 17))


@pytest.mark.parametrize(
    ("skipped", "reason"),
    [
        (rule("in", "ACCEPT", proto="tcp", dport=SIXTEEN), "more than 15 ports"),
        (rule("in", "ACCEPT", proto="tcp", dport="1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16"), "more than 15 ports"),
        (rule("in", "ACCEPT", proto="tcp", dport="99999"), "'99999' is not a port"),
        (rule("in", "ACCEPT", proto="tcp", dport="90:80"), "'90:80' descends"),
        (rule("in", "ACCEPT", proto="tcp", dport="nonsense"), "'nonsense' is not a port"),
        (rule("in", "ACCEPT", dport="80"), "ports need a protocol"),
        (rule("in", "ACCEPT", proto="gre", dport="80"), "protocol 'gre' has no ports"),
        (rule("in", "ACCEPT", source="10.0.0.1,2001:db8::1"), "mixes IPv4 and IPv6"),
        (rule("in", "ACCEPT", source="10.0.0.1", dest="2001:db8::1"), "differ in IP version"),
        (rule("in", "ACCEPT", proto="icmp", source="2001:db8::1"), "does not exist in the IP version"),
        (rule("in", "ACCEPT", source="10.0.0.9-10.0.0.1"), "does not ascend"),
        (rule("in", "ACCEPT", source="10.0.0.300"), "is not an address"),
        (rule("in", "ACCEPT", source="nowhere"), "there is no alias 'nowhere'"),
        (rule("in", "ACCEPT", source="+nowhere"), "there is no set 'nowhere'"),
        (rule("in", "ACCEPT", source="+Some"), "there is no set 'Some'"),
        (rule("group", "Web"), "there is no security group 'Web'"),
        (rule("in", "ACCEPT", macro="Nonsense"), "there is no macro 'Nonsense'"),
        (rule("in", "ACCEPT", macro="HTTP", dport="81"), "already sets protocol and port"),
        (rule("in", "ACCEPT", macro="DHCPfwd", sport="1024"), "already sets the source port"),
        (rule("in", "ALLOW"), "'ALLOW' is not an action"),
        (rule("in", "ACCEPT", iface="eth0"), "not an interface of a guest"),
    ],
)
def test_skipped_rule(skipped: dict[str, Any], reason: str) -> None:
    """A rule that Proxmox skips is reported with the reason, and the next rule decides."""
    config = firewall(
        guests={101: guest(skipped, ACCEPT_WEB)}, ipsets={"some": (IpSetEntry("10.0.0.0/24"),)}, groups={"web": ()}
    )
    chains = Chains(config)
    assert evaluate(chains, packet("", 101)).action == "ACCEPT"
    (reported,) = chains.skipped
    assert reported.origin.position == 0
    assert reason in reported.reason
