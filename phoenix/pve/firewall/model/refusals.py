"""A connection that a REJECT rule refuses → whether its sender sees the refusal, or a timeout.

Source: recordings of Proxmox VE 8.4 with the iptables backend. Each filtered interface of a guest has a bridge of its
own. conntrack forgets a refused connection at the first bridge that the refusal passes. At the second one the refusal
is INVALID, and the first rule of PVEFW-FORWARD drops it. The refusal of a closed port is lost in the same way.
"""

from __future__ import annotations

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.evaluate import Packet, chain_of, evaluate_chain, nic_of


def refusal_is_seen(chains: Chains, packet: Packet) -> bool | None:
    """Tell whether the sender of a rejected packet sees the refusal; None over UDP, which no recording shows.

    A refusal by the sender's own rules passes no bridge, one between a node and a guest one bridge, and one between two
    filtered guests two bridges. With the nftables backend no guest rejects.
    """
    if packet.proto != "tcp":
        return None
    own = chain_of(chains, packet.sender, packet.source, "out")
    if own is not None and evaluate_chain(own, packet).action == "REJECT":
        return True
    if isinstance(packet.sender, str) or isinstance(packet.receiver, str):
        return True
    nic = nic_of(chains, packet.sender, packet.source)
    return nic is None or not nic.firewall
