"""Firewall changes on the lab: drift of each kind, killed controllers, lockouts, concurrent runs, live traffic."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.connections.access import access_path, read_access
from phoenix.connections.links import Links
from phoenix.connections.proxmox import ApiError
from phoenix.errors import TaskFailedError
from phoenix.estate import load_estate
from phoenix.run.context import Run
from phoenix.tasks.firewall import apply, transaction, writes
from phoenix.tasks.firewall.transaction import Transaction
from phoenix.tasks.support.guests import learn_guests
from tests.support.places import ROOT
from tests.system import bench
from tests.system.edited import inventory
from tests.system.live import live
from tests.system.load import load
from tests.system.pve_api import open_lab

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(200)]

FILES = "cat /etc/pve/firewall/*.fw /etc/pve/nodes/*/*.fw 2>/dev/null | sha256sum"
UNIT = "phoenix-firewall-rollback"
LEFT = f"ls -d /var/lib/phoenix/firewall /etc/systemd/system/{UNIT}.* 2>/dev/null | wc -l"


def drift(vmid: str = "102") -> None:
    """Cause four changes at the mesh: remove a rule, disable one, add an unmanaged one, change a policy."""
    firewall = open_lab().node.lxc(vmid).firewall
    first, second = firewall.rules.get()[:2]
    firewall.rules(second["pos"]).put(enable=0)
    firewall.rules(first["pos"]).delete()
    firewall.rules.post(type="in", action="ACCEPT", proto="tcp", dport="2375", enable=1, comment="for a test")
    firewall.options.put(policy_in="ACCEPT")


@pytest.fixture(scope="module", autouse=True)
def corrected() -> Iterator[None]:
    """Deploy after the module's tests, which restores the derived firewall."""
    yield
    done = bench.deploy()
    assert done.status == 0, done.output


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a run of the whole estate in this process, so that a test can stop it anywhere."""
    estate = load_estate(ROOT / "inventory")
    links = Links(estate, read_access(access_path(lab=True), ("pve",)))
    made = Run(estate, links, frozenset(host.name for host in estate.hosts()))
    learn_guests(made, made.estate.hypervisor("pve"))
    yield made
    links.close()


def applied(run: Run) -> Any:
    """Run the firewall task on the hypervisor."""
    task: Any = SimpleNamespace(host=SimpleNamespace(name="pve"), is_dry_run=lambda _dry: False)
    return apply.apply_firewall(task, run)


class Killed(BaseException):
    """Ends the run like a kill of the controller."""


def after(times: int, then: Callable[[], None], real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a wrapper of a function that calls `then` after that many calls."""
    count = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        done = real(*args, **kwargs)
        count += 1
        if count == times:
            then()
        return done

    return counted


def die() -> None:
    """Raise Killed."""
    raise Killed


STEPS: list[tuple[object, str, int]] = [
    (Transaction, "begin", 1),
    *((writes, "_make", number) for number in (1, 2, 3, 4)),
    (Transaction, "settle", 1),
    (apply, "_hold", 1),
]


def test_killed_at_each_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the controller is killed before its confirmation, the timer restores the previous files."""
    drift()
    before = bench.sh("pve", FILES)
    for place, name, times in STEPS:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, after(times, die, getattr(place, name)))
            with pytest.raises(Killed):
                applied(run)
        states = bench.sh("pve", f"systemctl is-active {UNIT}.timer; systemctl is-enabled {UNIT}.timer")
        assert states == "active\nenabled", name  # enabled: it also runs after a reboot of the node
        soon = f"sed -i s/^OnActiveSec=.*/OnActiveSec=0.2/ /etc/systemd/system/{UNIT}.timer"
        wait = f"for i in $(seq 100); do [ $({LEFT}) -gt 0 ] || break; sleep 0.1; done; {LEFT}"
        assert bench.sh("pve", f"{soon}; systemctl daemon-reload; systemctl restart {UNIT}.timer; {wait}") == "0"
        assert bench.sh("pve", FILES) == before, f"killed after {name} {times}: the files differ"
    monkeypatch.setattr(Transaction, "confirm", after(1, die, Transaction.confirm))
    with pytest.raises(Killed):
        applied(run)
    assert bench.sh("pve", LEFT) == "0"
    assert bench.sh("pve", FILES) != before
    monkeypatch.undo()
    assert applied(run).changes == ()


CUT = "table inet cut { chain output { type filter hook output priority 0; drop; }; }"


def cut_network() -> None:
    """Drop all packets that leave the controller's machine."""
    bench.sh("operator", f"nft '{CUT}'")


def test_network_cut_in_the_middle(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that loses its network after the second write fails, and the timer restores the previous files."""
    drift()
    before = bench.sh("pve", FILES)
    monkeypatch.setattr(transaction, "LEAST", 20)
    monkeypatch.setattr(writes, "_make", after(2, cut_network, writes._make))
    try:
        with pytest.raises((TaskFailedError, ApiError), match="pve"):
            applied(run)
        wait = f"for i in $(seq 400); do [ $({LEFT}) -gt 0 ] || break; sleep 0.1; done; {LEFT}"
        assert bench.sh("pve", wait) == "0"
        assert bench.sh("pve", FILES) == before
    finally:
        bench.sh("operator", "nft delete table inet cut")


def test_missing_timer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a killed run left no timer, the next run restores the previous files and then applies its own changes."""
    drift()
    before = bench.sh("pve", FILES)
    with monkeypatch.context() as patch:
        patch.setattr(writes, "_make", after(2, die, writes._make))
        with pytest.raises(Killed):
            applied(run)
    assert bench.sh("pve", f"systemctl stop {UNIT}.timer; {FILES}") != before
    seen: list[str] = []
    monkeypatch.setattr(Transaction, "begin", after(1, lambda: seen.append(bench.sh("pve", FILES)), Transaction.begin))
    applied(run)
    assert seen == [before]
    monkeypatch.undo()
    assert bench.sh("pve", LEFT) == "0"
    assert applied(run).changes == ()


def test_hanging_vm(run: Run) -> None:
    """A VM that cannot be entered and does not answer is noted, and all changes are applied."""
    drift()
    bench.sh("pve", "ip link set veth1001i0 down")
    try:
        done = applied(run)
    finally:
        bench.sh("pve", "ip link set veth1001i0 up")
    assert done.notes == ("no connections could be tried from portainer",)
    assert len(done.changes) == 4  # those of `drift`
    assert applied(run).changes == ()


def test_an_edit_meanwhile(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is added between two writes is detected, and the run starts over and corrects it."""
    drift()
    rules = open_lab().node.lxc("102").firewall.rules
    unmanaged = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "2376", "enable": 1, "comment": "meanwhile"}
    monkeypatch.setattr(writes, "_make", after(2, lambda: rules.post(**unmanaged), writes._make))
    restarts: list[int] = []
    monkeypatch.setattr(Transaction, "begin", after(2, lambda: restarts.append(1), Transaction.begin))
    changes = [change.reason for change in applied(run).changes]
    assert restarts == [1], "the run did not start over"
    assert any("2376" in reason for reason in changes)
    assert all(rule["comment"].startswith("phoenix:") for rule in rules.get())
    monkeypatch.undo()
    assert applied(run).changes == ()


def test_lockout(tmp_path: Path) -> None:
    """An inventory that locks the operator out is rolled back, and the run reports that."""
    other = inventory(tmp_path, ("management: [10.0.0.20]", "management: [10.0.0.99]"), file="defaults.yaml")
    locked = bench.deploy("--inventory", str(other), "--target", "pve")
    assert locked.status == 1
    assert "there is no way in any more" in locked.errors("pve")
    assert "the firewall of pve is as it was before" in locked.errors("pve")
    assert bench.sh("pve", LEFT) == "0"
    members = bench.sh("pve", "grep -A3 'IPSET management' /etc/pve/firewall/cluster.fw")
    assert "10.0.0.20" in members
    corrected = bench.deploy("--target", "pve")
    assert corrected.changes == [("pve", "set management")], corrected.output  # added before the lockout


def test_foreign_rule_that_opens(tmp_path: Path) -> None:
    """If foreign rules are kept, one that allows undeclared traffic stops the run before any write."""
    rules = open_lab().node.lxc("102").firewall.rules
    rules.post(type="in", action="ACCEPT", proto="tcp", dport="2375", enable=1, comment="for a test")
    before = bench.sh("pve", FILES)
    stays = inventory(tmp_path / "1", ("foreign_rules: remove", "foreign_rules: report"), file="defaults.yaml")
    stopped = bench.deploy("--inventory", str(stays), "--target", "pve,traefik")
    assert stopped.status == 1
    assert "guest 102, rule" in stopped.errors("pve")
    assert "for a test" in stopped.errors("pve")
    assert bench.sh("pve", FILES) == before
    rules(0).put(enable=0)
    shown = bench.deploy("--inventory", str(stays), "--target", "pve,traefik")
    assert shown.status == 0, shown.output
    assert "a rule that the inventory does not derive: traefik: IN ACCEPT proto tcp dport 2375 (off)" in shown.output
    rules(len(rules.get()) - 1).put(enable=1)
    kept = inventory(tmp_path / "2", ("foreign_rules: remove", "foreign_rules: keep"), file="defaults.yaml")
    good = bench.deploy("--inventory", str(kept), "--target", "pve,traefik")
    assert good.status == 0, good.output
    assert good.changes == []
    assert bench.sh("pve", "tail -n 1 /etc/pve/firewall/102.fw").endswith("# for a test")  # after the managed rules
    removed = bench.deploy("--target", "pve,traefik")
    assert (removed.status, removed.record["changed"]) == (0, 1), removed.output


def test_drift_of_each_kind() -> None:
    """Each edit in Proxmox or in its files is found and corrected by one change."""
    lab = open_lab()
    node, cluster = lab.node, lab.api.cluster.firewall
    node.lxc("914").firewall.options.put(enable=0)
    node.lxc("917").firewall.options.put(policy_out="ACCEPT")
    node.lxc("801").firewall.rules(0).put(source="10.0.0.9")
    node.lxc("802").firewall.rules(0).put(moveto=3)
    node.lxc("103").firewall.aliases.post(name="unmanaged", cidr="10.0.0.1")
    node.qemu("1001").firewall.rules(1).put(enable=0)
    cluster.options.put(policy_in="ACCEPT")
    cluster.aliases("local_network").put(cidr="10.0.0.0/24")
    cluster.ipset("management").post(cidr="10.0.0.77")
    bench.sh("pve", "sed -i 's/^!10.0.0.0.24/!10.0.0.0\\/25/' /etc/pve/firewall/cluster.fw")
    node.firewall.rules.post(type="in", action="ACCEPT", proto="tcp", dport="9999", enable=1)
    nic = node.lxc("101").config.get()["net0"]
    node.lxc("101").config.put(net0=nic.replace("firewall=1", "firewall=0"))
    dry = bench.deploy("--dry-run")
    assert sorted(f"{host}: {resource}" for host, resource in dry.changes) == [
        "nginx-gateway: guest 101 nginx-gateway",
        "pve: alias local_network",
        "pve: alias unmanaged of step-ca",
        "pve: firewall of cluster",
        "pve: firewall of granite-3b",
        "pve: firewall of granite-embedding",
        "pve: firewall of llamacpp",
        "pve: firewall of ollama",
        "pve: firewall of portainer",
        "pve: firewall of pve",
        "pve: set management",
        "pve: set phoenix-internet",
        "pve: set phoenix-internet",
    ]
    corrected = bench.deploy()
    assert corrected.status == 0, corrected.output
    assert sorted(corrected.changes) == sorted(dry.changes)
    again = bench.deploy()
    assert (again.status, again.record["changed"]) == (0, 0), again.output


def test_two_controllers(tmp_path: Path) -> None:
    """Two concurrent runs take turns, both succeed, and the firewall is as derived."""
    drift()
    with ThreadPoolExecutor(2) as pool:
        records = [tmp_path / f"{number}.json" for number in (1, 2)]
        both = list(pool.map(lambda record: bench.deploy(record=record), records))
    assert [one.status for one in both] == [0, 0], [one.output for one in both]
    assert bench.sh("pve", LEFT) == "0"
    assert bench.deploy().record["changed"] == 0


STAY = f"""
import http.client, os, ssl, sys, time
context = ssl.create_default_context(cafile="{bench.CLIENT_ROOT}")
one = http.client.HTTPSConnection("qdrant.{bench.ZONE}", context=context, timeout=10)
one.connect()
count, sock = 0, one.sock
while os.path.exists("/run/stay"):
    one.request("GET", "/readyz"); answer = one.getresponse(); answer.read(); count += 1
    assert answer.status == 200 and one.sock is sock, "another connection"
    time.sleep(0.02)
print(count)
"""


def test_traffic_goes_on() -> None:
    """While the firewall is edited and corrected, no request fails, and open connections and streams continue."""
    bench.sh("client", "touch /run/stay")
    command = (sys.executable, "runbooks/lab.py", "exec", "client", "--", "python3", "-c", STAY)
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
        load("client", f"https://qdrant.{bench.ZONE}/readyz", f"https://ollama.{bench.ZONE}/api/tags") as seen,
        live() as open_all_along,
    ):
        for vmid in ("102", "101"):
            firewall = open_lab().node.lxc(vmid).firewall
            firewall.rules.post(type="in", action="ACCEPT", proto="tcp", dport="2375", enable=1, comment="for a test")
            firewall.rules(2).put(moveto=7)
            firewall.options.put(policy_in="ACCEPT")
            done = bench.deploy()
            assert done.status == 0, done.output
        bench.sh("client", "rm -f /run/stay")
        requests = process.communicate(timeout=30)[0].decode()
    assert (seen.failures, open_all_along.failures) == ([], [])
    assert seen.done > 20
    assert min(int(requests), open_all_along.used["websocket"], open_all_along.used["calls"]) > 20


def test_matrix() -> None:
    """Packets between all hosts get the model's verdict, for every port that occurs in a rule or a service."""
    status, output = bench.run(sys.executable, "runbooks/matrix.py", "--lab", "--full")
    assert status == 0, output
    assert "disagreements with the model: 0" in output


BLOCK = (
    "table inet other { chain forward { type filter hook forward priority -5; "
    "ip saddr 10.0.0.153 ip daddr 10.0.0.12 tcp dport 8443 drop; }; }"
)


def test_packets_against_the_model() -> None:
    """The matrix shows a packet that differs from the model's verdict, and a firewall change then rolls back."""
    rules = open_lab().node.lxc("102").firewall.rules
    bench.sh("pve", f"nft '{BLOCK}'")
    try:
        some = ("--target", "pve,nginx-gateway,traefik")
        status, output = bench.run(sys.executable, "runbooks/matrix.py", "--lab", *some)
        rules.post(type="in", action="ACCEPT", proto="tcp", dport="2375", enable=1, comment="for a test")
        before = bench.sh("pve", FILES)
        changed = bench.deploy(*some)
        files = bench.sh("pve", FILES)
    finally:
        bench.sh("pve", "nft delete table inet other")
    assert status == 1
    mismatch = "nginx-gateway → traefik, 8443/tcp at 10.0.0.12: the model says ACCEPT by guest 102, rule"
    assert mismatch in output
    assert "disagreements with the model: 1" in output
    assert f"packets are not treated as in the model: {mismatch}" in changed.errors("pve")
    assert files == before
    assert bench.deploy(*some).record["changed"] == 1


SEEN = """
import socket, sys
try:
    socket.create_connection(("10.0.0.12", int(sys.argv[1])), 1.5).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("timeout")
"""
SOME = ("--target", "pve,nginx-gateway,traefik")


def _seen(source: str, port: int) -> str:
    """Open a connection to the mesh and return what its sender sees."""
    return bench.sh(source, f"python3 -c '{SEEN}' {port}")


def test_refusals_as_on_a_real_node() -> None:
    """Senders see refusals as recorded on Proxmox, and the model agrees about every one of them."""
    mesh, edge = open_lab().node.lxc("102").firewall.rules, open_lab().node.lxc("101").firewall.rules
    mesh.post(type="in", action="REJECT", proto="tcp", dport="2375", enable=1, comment="for a test")
    edge.post(type="out", action="REJECT", proto="tcp", dport="2376", enable=1, comment="for a test")
    edge.post(type="out", action="ACCEPT", proto="tcp", dport="2375", enable=1, comment="for a test")
    mesh.post(type="in", action="ACCEPT", proto="tcp", dport="12345", enable=1, comment="for a test")
    edge.post(type="out", action="ACCEPT", proto="tcp", dport="12345", enable=1, comment="for a test")
    cases = [("pve", 12345), ("nginx-gateway", 12345), ("pve", 2375), ("nginx-gateway", 2375), ("nginx-gateway", 2376)]
    try:
        seen = [_seen(*case) for case in cases]
        status, output = bench.run(sys.executable, "runbooks/matrix.py", "--lab", "--full", *SOME)
    finally:
        bench.deploy(*SOME)
    assert seen == ["timeout", "timeout", "refused", "timeout", "refused"]
    assert (status, "untried: 0; disagreements with the model: 0" in output) == (0, True), output


def test_program_that_is_not_up_yet() -> None:
    """A firewall change is applied although nothing listens on an allowed port."""
    bench.sh("ollama", "systemctl stop lab-model-server")
    drift("914")
    try:
        done = bench.deploy("--target", "pve,ollama,traefik")
    finally:
        bench.sh("ollama", "systemctl start lab-model-server")
    assert "packets are not treated as in the model" not in done.output
    assert done.record["changed"] == 4


def test_open_port_without_listener() -> None:
    """A packet that passes where the model drops it is found, although nothing listens there."""
    bench.sh("pve", "nft insert rule inet pvefw veth102i0-in tcp dport 2375 accept")
    bench.sh("pve", "nft insert rule inet pvefw veth101i0-out tcp dport 2375 accept")
    status, output = bench.run(sys.executable, "runbooks/matrix.py", "--lab", "--full", *SOME)
    open_lab().node.lxc("102").firewall.options.put(policy_in="ACCEPT")  # the lab loads the rules again
    bench.deploy(*SOME)
    assert status == 1
    found = [line for line in output.splitlines() if "2375/tcp at 10.0.0.12" in line]
    assert len(found) == 2, output
    assert all(line.endswith("but the outcome is DROPPED, and it arrived") for line in found)


def test_record_of_a_change() -> None:
    """The record of a change names the level, the rule and the difference."""
    open_lab().node.lxc("102").firewall.rules(0).put(source="10.0.0.9")
    done = bench.deploy("--target", "pve,traefik")
    reasons = [c["reason"] for task in done.record["hosts"]["pve"]["tasks"] for c in task["changes"]]
    assert len(reasons) == 1, json.dumps(reasons)
    assert reasons[0].startswith("rule IN")
