"""The lab enforces rules of the firewall API on packets, between guests and from the host."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.waiting import until
from tests.system.pve_api import Lab, open_lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]
SERVER, CALLER = 7021, 7022
ADDRESS = {SERVER: "10.0.0.241", CALLER: "10.0.0.242", 0: "10.0.0.13"}
PORTS = (9000, 9001, 9002, 9003)
UNUSED = 9010
LISTEN = "for p in 9000 9001 9002 9003; do setsid python3 -m http.server $p >/dev/null 2>&1 & done"
PROBE = """
import socket, sys
s = socket.socket(); s.settimeout(0.7)
try: s.connect((sys.argv[1], int(sys.argv[2]))); print("open")
except TimeoutError: print("dropped")
except ConnectionRefusedError: print("refused")
"""


@pytest.fixture(scope="module")
def lab(lab_up: None) -> Iterator[Lab]:  # noqa: ARG001  # the fixture starts it
    """Turn the lab's cluster firewall on and create a server and a caller; restore everything afterwards."""
    running = open_lab()
    before = running.api.cluster.firewall.options.get()
    for vmid in (SERVER, CALLER):
        running.remove(vmid)
        running.make_container(vmid, ADDRESS[vmid])
    running.api.cluster.firewall.options.put(enable=1)
    for vmid in (SERVER, CALLER):
        assert running.finish(running.node.lxc(vmid).status.start.post()) == "OK"
    running.inside(SERVER, LISTEN)
    until(lambda: probe(running, CALLER, SERVER, 9003) == "open")
    yield running
    running.api.cluster.firewall.options.put(enable=1 if before.get("enable") else 0)
    for vmid in (SERVER, CALLER):
        running.remove(vmid)


@pytest.fixture
def server(lab: Lab) -> Iterator[Any]:
    """Return the server's firewall, on and empty, with inbound policy DROP."""
    yield from _firewall(lab, SERVER)


@pytest.fixture
def caller(lab: Lab) -> Iterator[Any]:
    """Return the caller's firewall, on and empty, with outbound policy ACCEPT."""
    yield from _firewall(lab, CALLER)


def _firewall(lab: Lab, vmid: int) -> Iterator[Any]:
    firewall = lab.node.lxc(vmid).firewall
    firewall.options.put(enable=1, policy_in="DROP", policy_out="ACCEPT")
    yield firewall
    for rule in reversed(firewall.rules.get()):
        firewall.rules(rule["pos"]).delete()
    firewall.options.put(enable=0)


def probe(lab: Lab, sender: int, receiver: int, port: int) -> str:
    """Try a connection; return open, dropped or refused."""
    where = ["lxc-attach", "-n", str(sender), "--"] if sender else []
    return lab.root(*where, "python3", "-c", PROBE, ADDRESS[receiver], str(port))


def outcome(lab: Lab, sender: int, receiver: int = SERVER) -> list[str]:
    """Return the result of a connection to each of the server's ports."""
    with ThreadPoolExecutor(len(PORTS)) as pool:
        return list(pool.map(lambda port: probe(lab, sender, receiver, port), PORTS))


def test_rules_policy_and_order(lab: Lab, server: Any) -> None:
    """The first matching rule decides, a disabled rule is ignored, the policy drops the rest.

    The refusal of the receiver's REJECT is invalid at its second bridge: the hypervisor sees it, guests do not.
    """
    for rule in (
        {"action": "ACCEPT", "dport": "9000:9003", "enable": 0},
        {"action": "ACCEPT", "dport": "9000:9001"},
        {"action": "DROP", "dport": "9001"},  # a new rule is inserted first, above the previous ones
        {"action": "REJECT", "dport": "9002"},
    ):
        server.rules.post(**{"type": "in", "proto": "tcp", "enable": 1, **rule})
    until(lambda: outcome(lab, CALLER) == ["open", "dropped", "dropped", "dropped"])
    hypervisor = outcome(lab, 0)
    assert hypervisor == ["open", "dropped", "refused", "dropped"], "its packets pass the guest's chain too"


def test_allowed_port_without_listener(lab: Lab, server: Any) -> None:
    """The refusal of a port on which nothing listens is lost, for the hypervisor and for another guest."""
    server.rules.post(type="in", action="ACCEPT", proto="tcp", dport=f"9000,{UNUSED}", enable=1)
    until(lambda: probe(lab, CALLER, SERVER, PORTS[0]) == "open")
    assert [probe(lab, sender, SERVER, UNUSED) for sender in (CALLER, 0)] == ["dropped", "dropped"]


def test_both_sides_must_agree(lab: Lab, server: Any, caller: Any) -> None:
    """A connection needs an accept by the sender's outbound chain and by the receiver's inbound chain."""
    server.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9000,9001", enable=1)
    caller.options.put(policy_out="REJECT")
    caller.rules.post(type="out", action="ACCEPT", proto="tcp", dport="9001,9002", dest=ADDRESS[SERVER], enable=1)
    until(lambda: outcome(lab, CALLER) == ["refused", "open", "dropped", "refused"])


def test_alias_ipset_and_group(lab: Lab, server: Any) -> None:
    """A cluster alias, a guest's IP set with an exception, and a security group resolve in rules."""
    cluster = lab.api.cluster.firewall
    cluster.aliases.post(name="test_caller", cidr=ADDRESS[CALLER])
    cluster.groups.post(group="test-grp")
    server.ipset.post(name="testset")
    try:
        server.ipset("testset").post(cidr="10.0.0.240/28")
        server.ipset("testset").post(cidr=ADDRESS[CALLER], nomatch=1)
        cluster.groups("test-grp").post(type="in", action="ACCEPT", proto="tcp", dport="9001", enable=1)
        server.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9000", source="test_caller", enable=1)
        server.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9002", source="+testset", enable=1)
        server.rules.post(type="group", action="test-grp", enable=1)
        until(lambda: outcome(lab, CALLER) == ["open", "open", "dropped", "dropped"])
        assert outcome(lab, 0) == ["dropped", "open", "dropped", "dropped"]
    finally:
        for rule in reversed(server.rules.get()):
            server.rules(rule["pos"]).delete()
        server.ipset("testset").delete(force=1)
        cluster.groups("test-grp")(0).delete()
        cluster.groups("test-grp").delete()
        cluster.aliases("test_caller").delete()


@pytest.mark.usefixtures("server")
def test_interface_without_firewall_is_not_filtered(lab: Lab) -> None:
    """The interface's firewall flag turns filtering off and on for a running guest."""
    until(lambda: outcome(lab, CALLER) == ["dropped"] * 4)
    net = lab.node.lxc(SERVER).config.get()["net0"]
    lab.node.lxc(SERVER).config.put(net0=net.replace("firewall=1", "firewall=0"))
    until(lambda: outcome(lab, CALLER) == ["open"] * 4)
    lab.node.lxc(SERVER).config.put(net0=net)
    until(lambda: outcome(lab, CALLER) == ["dropped"] * 4)


def test_forged_hardware_address_is_dropped(lab: Lab, server: Any, caller: Any) -> None:
    """A guest with a forged MAC address cannot connect."""
    server.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9000", enable=1)
    assert caller.options.get()["enable"] == 1
    until(lambda: probe(lab, CALLER, SERVER, 9000) == "open")
    own = lab.inside(CALLER, "cat /sys/class/net/eth0/address")
    try:
        lab.inside(CALLER, "ip link set eth0 address 52:54:00:66:66:66; ip neigh flush all")
        assert probe(lab, CALLER, SERVER, 9000) != "open"
    finally:
        lab.inside(CALLER, f"ip link set eth0 address {own}")


def test_counter_names_the_rule_that_dropped(lab: Lab, server: Any) -> None:
    """Each nft rule counts its packets and names the configuration's rule in a comment."""
    server.rules.post(type="in", action="DROP", proto="tcp", dport="9003", enable=1)
    chain = ("nft", "list", "chain", "inet", "pvefw", f"veth{SERVER}i0-in")
    until(lambda: f'comment "guest {SERVER} rule 0"' in lab.root(*chain, check=False))
    assert probe(lab, CALLER, SERVER, 9003) == "dropped"
    line = next(line for line in lab.root(*chain).splitlines() if f'"guest {SERVER} rule 0"' in line)
    assert "packets 0" not in line


def test_no_packet_passes_while_a_guest_starts(lab: Lab, server: Any) -> None:
    """A guest that drops all packets answers no ping while it starts."""
    assert server.options.get()["enable"] == 1
    assert lab.finish(lab.node.lxc(SERVER).status.stop.post()) == "OK"
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(lab.root, "ping", "-i", "0.005", "-w", "4", "-q", ADDRESS[SERVER], check=False)
        assert lab.finish(lab.node.lxc(SERVER).status.start.post()) == "OK"
        assert " 0 received" in flood.result()
    lab.inside(SERVER, LISTEN)
