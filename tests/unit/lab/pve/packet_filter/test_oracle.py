"""The filter compiler gives the verdicts that Proxmox's own firewall gave on random configurations."""

import gzip
import json
import os
import shutil
import subprocess
from ipaddress import ip_address
from typing import Any

import pytest

from phoenix.lab.pve.guests.spec import GuestNic
from phoenix.lab.pve.packet_filter import nft
from phoenix.lab.pve.packet_filter.compiler import FilterInput, compile_filter
from phoenix.lab.pve.packet_filter.ruleset import FilterRule, PacketFilter, PacketMatch
from tests.support.places import SHARED

ORACLE = SHARED / "oracles/pve-firewall-verdicts.json.gz"


@pytest.mark.timeout(120)
@pytest.mark.skipif(not ORACLE.exists(), reason=f"{ORACLE}: the recorded verdicts are not on this machine")
def test_every_recorded_verdict() -> None:
    """The compiled filter gives each of the oracle's packets its recorded verdict."""
    cases = json.loads(gzip.decompress(ORACLE.read_bytes()))
    wrong, seen = [], 0
    for number, case in enumerate(cases):
        compiled = compile_filter(filter_input(case))
        for packet in case["packets"]:
            seen += 1
            decided = verdict(compiled, packet)
            if decided != packet["verdict"]:
                wrong.append((number, packet, decided))
    assert wrong == []
    assert seen == 17146


@pytest.mark.timeout(120)
@pytest.mark.skipif(not ORACLE.exists(), reason=f"{ORACLE}: the recorded verdicts are not on this machine")
@pytest.mark.skipif(shutil.which("nft") is None or os.geteuid() != 0, reason="nft checks text only for root")
def test_nft_accepts_every_tenth_configuration() -> None:
    """Nft accepts the rendered text of every tenth configuration of the oracle."""
    cases = json.loads(gzip.decompress(ORACLE.read_bytes()))
    for number, case in list(enumerate(cases))[::10]:
        text = nft.render(compile_filter(filter_input(case)))
        done = subprocess.run(["nft", "-c", "-f", "-"], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, (number, done.stderr)


def verdict(compiled: PacketFilter, packet: dict[str, Any]) -> str:
    """Return a packet's verdict: the sender's chain decides first, then the receiver's; both must accept."""
    guests = {guest.vmid: guest for guest in compiled.guests}
    for end, host, side in (("from", compiled.host_out, "outbound"), ("to", compiled.host_in, "inbound")):
        name = packet[end]
        guest = guests.get(int(name[2:])) if name[2:].isdigit() else None
        chain = host if name == "host" else getattr(guest, side) if guest else ()
        decided = next((rule.verdict for rule in chain if applies(rule, packet)), "accept")
        if decided != "accept":
            return decided.upper()
    return "ACCEPT"


def applies(rule: FilterRule, packet: dict[str, Any]) -> bool:
    """Whether a rule matches the first packet of a connection from a random high port."""
    m: PacketMatch = rule.match
    return (
        m.special == ""
        and (not m.proto or m.proto == packet["proto"])
        and (not m.icmp or m.icmp == packet["dport"])
        and (not m.dport or any(low <= packet["dport"] <= high for low, high in m.dport))
        and not m.sport
        and _within(m.source, packet["source"])
        and _within(m.dest, packet["dest"])
    )


def _within(addresses: Any, address: str) -> bool:
    return addresses is None or any(ip_address(address) in net for net in addresses)


def filter_input(case: dict[str, Any]) -> FilterInput:
    """Return the compiler's input for a case of the oracle."""
    cluster = _conf(case["cluster"])
    guests = {int(vmid): _conf(guest) for vmid, guest in case["guests"].items()}
    nics = tuple(
        (
            int(vmid),
            GuestNic(0, "eth0", "vmbr0", guest["mac"], guest["ip"] + "/24", firewall=bool(guest["nic_firewall"])),
        )
        for vmid, guest in case["guests"].items()
    )
    return FilterInput(cluster, _conf({}), guests, nics, case["local_network"])


def _conf(recorded: dict[str, Any]) -> dict[str, Any]:
    return {
        "options": recorded.get("options", {}),
        "rules": recorded.get("rules", []),
        "aliases": {name: {"name": name, "cidr": cidr} for name, cidr in recorded.get("aliases", {}).items()},
        "ipset": {name: [{"cidr": c} for c in cidrs] for name, cidrs in recorded.get("ipsets", {}).items()},
        "groups": recorded.get("groups", {}),
    }
