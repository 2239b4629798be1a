"""What is written through the firewall API is enforced on packets, from guest to guest and to the host."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.system.pve_api import Lab, open_lab, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]
SERVER, CALLER = 7021, 7022
ADDRESS = {SERVER: "10.0.0.241", CALLER: "10.0.0.242", 0: "10.0.0.13"}
PORTS = (9000, 9001, 9002, 9003)
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
    """The lab with its cluster firewall on, a server and a caller; all as before afterwards."""
    found = open_lab()
    before = found.api.cluster.firewall.options.get()
    for vmid in (SERVER, CALLER):
        found.remove(vmid)
        found.make_container(vmid, ADDRESS[vmid])
    found.api.cluster.firewall.options.put(enable=1)
    for vmid in (SERVER, CALLER):
        assert found.finish(found.node.lxc(vmid).status.start.post()) == "OK"
    found.inside(SERVER, LISTEN)
    until(lambda: probe(found, CALLER, SERVER, 9003) == "open")
    yield found
    found.api.cluster.firewall.options.put(enable=1 if before.get("enable") else 0)
    for vmid in (SERVER, CALLER):
        found.remove(vmid)


@pytest.fixture
def server(lab: Lab) -> Iterator[Any]:
    """The server's firewall, on and empty, with inbound policy DROP."""
    yield from _firewall(lab, SERVER)


@pytest.fixture
def caller(lab: Lab) -> Iterator[Any]:
    """The caller's firewall, on and empty, with outbound policy ACCEPT."""
    yield from _firewall(lab, CALLER)


def _firewall(lab: Lab, vmid: int) -> Iterator[Any]:
    firewall = lab.node.lxc(vmid).firewall
    firewall.options.put(enable=1, policy_in="DROP", policy_out="ACCEPT")
    yield firewall
    for rule in reversed(firewall.rules.get()):
        firewall.rules(rule["pos"]).delete()
    firewall.options.put(enable=0)


def probe(lab: Lab, sender: int, receiver: int, port: int) -> str:
    """What becomes of a connection."""
    where = ["lxc-attach", "-n", str(sender), "--"] if sender else []
    return lab.root(*where, "python3", "-c", PROBE, ADDRESS[receiver], str(port))


def outcome(lab: Lab, sender: int, receiver: int = SERVER) -> list[str]:
    """What becomes of a connection to each of the server's ports."""
    with ThreadPoolExecutor(len(PORTS)) as pool:
        return list(pool.map(lambda port: probe(lab, sender, receiver, port), PORTS))


def test_rules_policy_and_order(lab: Lab, server: Any) -> None:
    """The first matching rule decides, REJECT refuses, a disabled rule does nothing, the policy drops the rest."""
    for rule in (
        {"action": "ACCEPT", "dport": "9000:9003", "enable": 0},
        {"action": "ACCEPT", "dport": "9000:9001"},
        {"action": "DROP", "dport": "9001"},  # posted later, so above: first
        {"action": "REJECT", "dport": "9002"},
    ):
        server.rules.post(**{"type": "in", "proto": "tcp", "enable": 1, **rule})
    wanted = ["open", "dropped", "refused", "dropped"]
    until(lambda: outcome(lab, CALLER) == wanted)
    assert outcome(lab, 0) == wanted, "the hypervisor's own packets pass the guest's chain too"


def test_both_sides_must_agree(lab: Lab, server: Any, caller: Any) -> None:
    """What the receiver accepts the sender can still refuse; what the sender accepts the receiver can still drop."""
    server.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9000,9001", enable=1)
    caller.options.put(policy_out="REJECT")
    caller.rules.post(type="out", action="ACCEPT", proto="tcp", dport="9001,9002", dest=ADDRESS[SERVER], enable=1)
    until(lambda: outcome(lab, CALLER) == ["refused", "open", "dropped", "refused"])


def test_alias_ipset_and_group(lab: Lab, server: Any) -> None:
    """Names resolve: a cluster alias, a guest's ipset with an exception, a security group."""
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
    """The interface's flag decides too, on a running guest."""
    until(lambda: outcome(lab, CALLER) == ["dropped"] * 4)
    net = lab.node.lxc(SERVER).config.get()["net0"]
    lab.node.lxc(SERVER).config.put(net0=net.replace("firewall=1", "firewall=0"))
    until(lambda: outcome(lab, CALLER) == ["open"] * 4)
    lab.node.lxc(SERVER).config.put(net0=net)
    until(lambda: outcome(lab, CALLER) == ["dropped"] * 4)


def test_forged_hardware_address_is_dropped(lab: Lab, server: Any, caller: Any) -> None:
    """A guest that takes another hardware address is cut off."""
    server.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9000", enable=1)
    assert caller.options.get()["enable"] == 1
    until(lambda: probe(lab, CALLER, SERVER, 9000) == "open")
    own = lab.inside(CALLER, "cat /sys/class/net/eth0/address")
    try:
        lab.inside(CALLER, "ip link set eth0 address 52:54:00:66:66:66; ip neigh flush all")
        assert probe(lab, CALLER, SERVER, 9000) != "open"
    finally:
        lab.inside(CALLER, f"ip link set eth0 address {own}")


def test_a_counter_names_the_rule_that_dropped(lab: Lab, server: Any) -> None:
    """Each rule counts its packets under the name of the rule it comes from."""
    server.rules.post(type="in", action="DROP", proto="tcp", dport="9003", enable=1)
    chain = ("nft", "list", "chain", "inet", "pvefw", f"veth{SERVER}i0-in")
    until(lambda: f'comment "guest {SERVER} rule 0"' in lab.root(*chain, check=False))
    assert probe(lab, CALLER, SERVER, 9003) == "dropped"
    line = next(line for line in lab.root(*chain).splitlines() if f'"guest {SERVER} rule 0"' in line)
    assert "packets 0" not in line


def test_no_packet_passes_while_a_guest_starts(lab: Lab, server: Any) -> None:
    """A guest that drops everything answers none of a flood of pings during its start."""
    assert server.options.get()["enable"] == 1
    assert lab.finish(lab.node.lxc(SERVER).status.stop.post()) == "OK"
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(lab.root, "ping", "-i", "0.005", "-w", "4", "-q", ADDRESS[SERVER], check=False)
        assert lab.finish(lab.node.lxc(SERVER).status.start.post()) == "OK"
        assert " 0 received" in flood.result()
    lab.inside(SERVER, LISTEN)
