"""What a node says of its container's trust, beside what the container's own shell says of the same files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from phoenix.connections.ssh import Completed
from phoenix.converge import Directory, Observation
from phoenix.converge.host_session import question
from phoenix.converge.observe import read_observation
from phoenix.pki.bundle import Bundle
from phoenix.tasks.trust.on_node import ON_NODE, TrustProbes, ask_node, change_on_node
from phoenix.tasks.trust.push import Trust
from phoenix.tasks.trust.system_store import SystemStore
from tests.unit.tasks.trust.test_system_store import R1, R2, ROOT_ONLY, Machine

pytestmark = ROOT_ONLY
INSIDE = (
    'chroot "/proc/$pid/root" and chdir "/" or return undef;',
    'chdir $home and chroot "." or exit 1;',
    'chroot "/proc/$pid/root" and chdir "/" or exit 1;',
)


class Node:
    """A node with one container, whose root is a directory of this machine that is not gone into."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def run(self, script: str, limit: float = 0) -> Completed:
        """Run the node's program with paths below the directory."""
        assert limit > 0
        for step in INSIDE:
            assert step in script
            script = script.replace(step, "")
        script = script.replace("= init_pid($vmid)", "= 1")
        done = self.machine.run(script)
        return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())

    def upload(self, source: Path, path: str, mode: str, mtime: int) -> Completed:
        """Nothing is uploaded to look."""
        raise AssertionError((source, path, mode, mtime))


def both(machine: Machine, trust: Trust) -> tuple[Observation, Observation]:
    """What the node says, and what the shell says."""
    probes = frozenset((*Directory("/etc/phoenix").probes(), *trust.probes()))
    answer = ask_node(Node(machine), {7: TrustProbes(probes, SystemStore(trust.bundle))})[7]
    inside = machine.run(question(probes)).stdout.decode()
    here = str(machine.here)
    node, shell = (read_observation(probes, said.replace(here, "")) for said in (answer, inside))
    # The node may tell more than was asked: of readers, and modes where only a content was wanted.
    node.stats = {path: stat for path, stat in node.stats.items() if path in shell.stats}
    node.outputs = {name: said for name, said in node.outputs.items() if name in shell.outputs}
    return node, shell


@pytest.mark.parametrize("held", [(), (R1,), (R1, R2)])
@pytest.mark.parametrize("wanted", [(), (R1,), (R1, R2)])
def test_node_says_what_the_shell_says(tmp_path: Path, held: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Modes, owners, contents, listings and what is wrong with the store are the same, whatever is there and wanted."""
    machine = Machine(tmp_path)
    machine.converge(*held)
    node, shell = both(machine, Trust(Bundle(wanted)))
    assert node == shell


def test_damage_is_seen_by_both(tmp_path: Path) -> None:
    """A lost link, an empty anchor and a mark that was left are told alike."""
    machine = Machine(tmp_path)
    machine.converge(R1)
    (machine.store / "phoenix_ca.pem").unlink()
    (machine.own / "phoenix_ca.crt").write_text("")
    mark = machine.here / "var/lib/phoenix/begun/trust"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("phoenix_ca_00000000\n")
    node, shell = both(machine, Trust(Bundle((R1,))))
    assert node == shell
    assert "link phoenix_ca" in node.outputs["system store of phoenix_ca"]


@pytest.mark.parametrize("held", [(), (R1,), (R2,), (R1, R2)])
@pytest.mark.parametrize("wanted", [(R1,), (R2,), (R1, R2)])
def test_node_changes_what_the_shell_changes(tmp_path: Path, held: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Files, links and modes: the node leaves what a script inside leaves, and nothing of its own."""
    inside, outside = Machine(tmp_path / "inside"), Machine(tmp_path / "outside")
    trust = Trust(Bundle(wanted))
    for machine in (inside, outside):
        shutil.rmtree(machine.hooks)
        machine.converge(*held)
    inside.converge(*wanted)
    seen = outside.observe(trust)
    if trust.is_plain(seen):
        words = SystemStore(trust.bundle).words(seen)
        assert change_on_node(Node(outside), trust.texts, {7: words}) == {7}
    assert everything(outside) == everything(inside)
    assert trust.changes(outside.observe(trust)) == ()


def everything(machine: Machine) -> dict[str, tuple[int, str]]:
    """Each file of a place with its mode, and its target or content; the tools' notes are left out."""
    found = {}
    for path in sorted(machine.here.rglob("*")):
        name = str(path.relative_to(machine.here))
        if path.is_dir() or name.endswith(".log") or name.startswith("bin/") or name == "run/lock/phoenix":
            continue
        text = str(path.readlink()) if path.is_symlink() else path.read_text()
        found[name] = (path.lstat().st_mode, text.replace(str(machine.here), ""))
    return found


def test_node_leaves_hooks_to_the_inside(tmp_path: Path) -> None:
    """Where somebody wants to be told of anchors, or the store is not as expected, nothing is said to be done."""
    machine, trust = Machine(tmp_path), Trust(Bundle((R1,)))
    words = SystemStore(trust.bundle).words(machine.observe(trust))
    assert change_on_node(Node(machine), trust.texts, {7: words}) == set()
    assert not (machine.own / "phoenix_ca.crt").exists()
    shutil.rmtree(machine.hooks)
    (machine.store / "A.pem").unlink()
    assert change_on_node(Node(machine), trust.texts, {7: words}) == set()
    assert machine.noted("tool") == []
    assert machine.converge(R1)
    assert machine.as_the_tool_makes_it()


def test_container_with_another_store_is_left_out(tmp_path: Path) -> None:
    """What is more than files is asked from inside."""
    machine = Machine(tmp_path)
    node = machine.here / "usr/bin/node"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.write_text("")
    bundle = Bundle((R1,))
    asked = TrustProbes(frozenset(Trust(bundle).probes()), SystemStore(bundle))
    assert ask_node(Node(machine), {7: asked}) == {}


@pytest.mark.parametrize(
    "folder",
    [
        "lxc/103/ns/init.scope",  # Proxmox VE, one hierarchy
        "lxc/103/ns",  # the same, with an init that is not systemd
        "systemd/lxc/103/ns/init.scope",  # Proxmox VE, with the hierarchies of version 1
        "lxc.payload.103/init.scope",  # LXC's own names
        "systemd/lxc.payload.103/init.scope",
        "unified/lxc.payload.103",
    ],
)
def test_first_process_is_found(tmp_path: Path, folder: str) -> None:
    """Wherever the processes of a container are kept, its first one is found, and that of no other container."""
    for pid, inside in ((41, 7), (42, 1)):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/status").write_text(f"Name:\tx\nNSpid:\t{pid}\t{inside}\n")
    (tmp_path / "cgroup" / folder).mkdir(parents=True)
    (tmp_path / "cgroup" / folder / "cgroup.procs").write_text("41\n42\n")
    found = re.search(r"^sub init_pid \{.*?^\}", ON_NODE, re.MULTILINE | re.DOTALL)
    assert found
    program = found[0].replace("/sys/fs/cgroup", f"{tmp_path}/cgroup").replace("/proc/", f"{tmp_path}/proc/")
    for vmid, expected in (("103", "42"), ("10", "none"), ("1030", "none")):
        script = f'use File::Glob qw(bsd_glob); {program} print init_pid({vmid}) // "none"'
        assert subprocess.check_output(["perl", "-e", script], text=True, timeout=10) == expected
