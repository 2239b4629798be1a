"""Preflight against the lab's node: what would make a deployment fail is named before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]

OWN_DNS = "phoenix-dns-watch phoenix-dns-lan phoenix-dns-guest"
CLIENT = "10.0.0.50"
OTHER_NODE = "/etc/pve/nodes/other"


def refused(*arguments: str) -> list[str]:
    """Deploy, which must change nothing; return the problems, one a line."""
    run = bench.deploy(*arguments)
    assert run.status == 1, run.output
    assert run.record["changed"] == 0, run.output
    problems = run.errors("pve").splitlines()
    assert [problem for problem in problems if problem not in run.output] == []
    return problems


def with_newcomer(folder: Path, address: str) -> Path:
    """Declare one more guest, which does not exist."""
    hosts = inventory(folder) / "hosts.yaml"
    data = "{vmid: 577, clone_of: copy-base}"
    new = f"\nnewcomer:\n  hostname: {address}\n  groups: [lxc, base_setup]\n  data: {data}\n"
    hosts.write_text(hosts.read_text("utf-8") + new)
    return hosts.parent


@pytest.fixture
def foreign_dnsmasq() -> Iterator[None]:
    """Run the distribution's dnsmasq, at every address, instead of the estate's own."""
    bench.sh("pve", f"systemctl stop {OWN_DNS}")
    bench.sh("pve", "systemd-run --quiet --unit=dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null")
    bench.sh("pve", "for n in $(seq 50); do ss -Hlnt 'sport = :53' | grep -q . && exit; sleep 0.1; done; exit 1")
    yield
    bench.sh("pve", f"systemctl stop dnsmasq; systemctl start {OWN_DNS}")


@pytest.fixture
def foreign_guest() -> Iterator[None]:
    """Let another node of the cluster have a guest with the address of one of the estate's."""
    text = "hostname: old-wiki\\nnet0: name=eth0,bridge=vmbr0,hwaddr=AA:BB:CC:00:00:01,ip=10.0.0.155/24,type=veth\\n"
    bench.sh("pve", f"mkdir -p {OTHER_NODE}/lxc && printf '{text}' >{OTHER_NODE}/lxc/555.conf")
    yield
    bench.sh("pve", f"rm -rf {OTHER_NODE}")


def test_wrong_network(tmp_path: Path) -> None:
    """A bridge that the node does not have is named together with those that it has."""
    folder = inventory(tmp_path, ("bridge: vmbr0", "bridge: vmbr9"))
    problems = refused("--inventory", str(folder))
    assert "pve: the node has no bridge 'vmbr9', it has vmbr0: correct `bridge`" in problems


@pytest.mark.usefixtures("foreign_dnsmasq")
def test_foreign_dnsmasq() -> None:
    """A program that holds the port of DNS at every address is named with its pid, its unit, and how to stop it."""
    pid = bench.sh("pve", "systemctl show --value -p MainPID dnsmasq")
    (problem,) = refused()
    assert problem == (
        f"pve: dnsmasq (pid {pid}, dnsmasq.service) listens on 0.0.0.0:53 (tcp, udp), and Phoenix serves names at "
        "10.0.0.13 and 10.0.0.53: `systemctl disable --now dnsmasq.service`, or bind it to other addresses"
    )


def test_other_addresses_are_free() -> None:
    """A resolver at an address of its own does not keep a deployment from its own addresses."""
    bench.sh(
        "pve",
        "systemd-run --quiet --unit=stub dnsmasq --keep-in-foreground --conf-file=/dev/null --bind-interfaces "
        "--listen-address=127.0.0.53",
    )
    try:
        run = bench.deploy()
    finally:
        bench.sh("pve", "systemctl stop stub")
    assert (run.status, run.record["changed"]) == (0, 0), run.output


@pytest.mark.usefixtures("foreign_guest")
def test_address_of_a_foreign_guest() -> None:
    """A guest of another node with the address of a declared one is named; a run without that guest is not stopped."""
    (problem,) = refused()
    assert "10.0.0.155 (ollama) is the address of guest 555 old-wiki on other: give ollama another one" in problem
    run = bench.deploy("--target", "llamacpp")
    assert (run.status, run.record["changed"]) == (0, 0), run.output


def test_several_problems(tmp_path: Path, foreign_guest: None) -> None:  # noqa: ARG001  # the fixture must run first
    """All problems of a node are reported at once, one a line."""
    folder = inventory(tmp_path, ("bridge: vmbr0", "bridge: vmbr9"))
    problems = refused("--inventory", str(folder))
    assert [words for words in ("bridge 'vmbr9'", "guest 555 old-wiki") if not any(words in p for p in problems)] == []
    assert len(problems) > 1


def test_address_in_use(tmp_path: Path) -> None:
    """A new guest is not given the address of a machine in the network, which is named by its MAC address."""
    mac = bench.sh("client", "cat /sys/class/net/eth0/address").upper()
    problems = refused("--inventory", str(with_newcomer(tmp_path, CLIENT)))
    assert [f"the MAC address {mac} answers for it on vmbr0" in problem for problem in problems] == [True]


def test_new_guests_need_egress(tmp_path: Path) -> None:
    """Without egress, guests that have their packages are deployed; one that is to be created is refused."""
    first = "  egress: # connections that every guest may open to the Internet\n"
    text = inventory(tmp_path) / "defaults.yaml"
    lines = text.read_text("utf-8").replace(first, "  egress: []\n").splitlines(keepends=True)
    text.write_text("".join(line for line in lines if "purpose: packages" not in line and "purpose: time" not in line))
    (problem,) = refused("--inventory", str(with_newcomer(tmp_path, "10.0.0.77")))
    assert problem.startswith("newcomer: needs egress tcp/80 to its package mirror to install ca-certificates, curl")
