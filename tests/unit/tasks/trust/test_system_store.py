"""The system store, changed for one anchor at a time, against Debian's own tool that makes it anew from scratch."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from phoenix.connections.shell import wrap_script
from phoenix.converge import Change
from phoenix.converge.apply import apply_script, check_applied
from phoenix.converge.host_session import question
from phoenix.converge.observe import Observation, read_observation
from phoenix.pki.bundle import Bundle
from phoenix.tasks.trust.push import Trust

TOOL = Path("/usr/sbin/update-ca-certificates")
MOVED = (
    "/usr/local/share/ca-certificates", "/usr/share/ca-certificates", "/etc/ca-certificates/update.d",
    "/etc/ca-certificates.conf", "/etc/ssl/certs", "/etc/phoenix", "/var/lib/phoenix", "/run/phoenix.", "/run/lock",
    "/run/systemd", "/run/traefik", "/run/nginx-anchors.crt", "/etc/nginx", "/usr/lib/jvm", "/opt/", "/srv/", "/home/",
    "/root/", "/usr/lib/python3", "/usr/local/lib/python3", "/usr/bin/node", "/usr/local/bin/node", "/etc/pki",
    "/etc/profile.d", "/etc/environment.d", "/etc/systemd",
)  # fmt: skip
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0 or not TOOL.exists(), reason="needs root and Debian's ca-certificates")
pytestmark = ROOT_ONLY


@lru_cache
def anchor(subject: str, number: int = 1) -> str:
    """A root certificate; another number is another key with the same subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, now, now + timedelta(1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


R1, R2, OTHER = anchor("Lab Root"), anchor("Lab Root", 2), anchor("Another Root")
STRANGERS = {"mozilla/A.crt": anchor("A"), "mozilla/Ä,(b) c.crt": anchor("B"), "z.crt": anchor("Z").rstrip("\n")}


class Machine:
    """A directory that scripts take for a host with a store of three certificates; its tool is the real one."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.path = r"\1"
        for path in MOVED:
            if not path.endswith("ca-certificates.conf"):
                (here / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        self.store, self.own = here / "etc/ssl/certs", here / "usr/local/share/ca-certificates"
        self.hooks = here / "etc/ca-certificates/update.d"
        for folder in (self.store, self.own, self.hooks, here / "usr/share/ca-certificates/mozilla", here / "bin"):
            folder.mkdir(parents=True)
        for name, pem in STRANGERS.items():
            (here / "usr/share/ca-certificates" / name).write_text(pem)
        (here / "etc/ca-certificates.conf").write_text("# list\n" + "".join(f"{name}\n" for name in STRANGERS))
        self.program("bin/update-ca-certificates", f'echo tool >>{here}/tool.log; exec {TOOL} "$@" {self._places()}')
        self.program("bin/systemctl", f'echo "$*" >>{here}/systemctl.log')
        self.tool()
        self.program("etc/ca-certificates/update.d/note", f"sed 's,{here},,' >>{here}/hooks.log")
        self.forget()

    def _places(self) -> str:
        here = self.here
        return (
            f"--certsconf {here}/etc/ca-certificates.conf --certsdir {here}/usr/share/ca-certificates "
            f"--localcertsdir {self.own} --etccertsdir {self.store} --hooksdir {self.hooks}"
        )

    def program(self, name: str, script: str) -> None:
        """Put a shell script somewhere."""
        (self.here / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.here / name).chmod(0o755)

    def hide(self, program: str) -> None:
        """Let scripts find all programs of this machine but one."""
        folder = self.here / "programs"
        folder.mkdir()
        for place in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            for path in Path(place).glob("*"):
                if path.name != program and not (folder / path.name).is_symlink():
                    (folder / path.name).symlink_to(path)
        self.path = str(folder)

    def tool(self, *options: str) -> None:
        """Run Debian's tool as an administrator would."""
        env = {"PATH": f"{self.here}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        subprocess.run(["update-ca-certificates", *options], env=env, check=True, capture_output=True, timeout=30)

    def forget(self) -> None:
        """Drop the notes of tool and hooks."""
        for name in ("tool", "hooks", "systemctl"):
            (self.here / f"{name}.log").unlink(missing_ok=True)

    def noted(self, name: str) -> list[str]:
        """What the tool (that it ran), a hook (its input) or systemd (its orders) noted."""
        path = self.here / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, script: str) -> subprocess.CompletedProcess[bytes]:
        """Run a script of the product in this place."""
        script = re.sub("|".join(f"(?<![\\w/]){re.escape(path)}" for path in MOVED), f"{self.here}\\g<0>", script)
        script = re.sub(r"export PATH=(\S+)", rf"export PATH={self.here}/bin:{self.path}", script)
        return subprocess.run(
            ["/bin/sh", "-s"], input=wrap_script(script), capture_output=True, check=False, timeout=60
        )

    def observe(self, trust: Trust) -> Observation:
        """Ask the questions of the product."""
        probes = trust.probes()
        done = self.run(question(probes))
        assert (done.returncode, done.stderr) == (0, b"")
        here = str(self.here)
        seen = read_observation(probes, done.stdout.decode().replace(here, ""))
        seen.contents = {path: text.replace(here.encode(), b"") for path, text in seen.contents.items()}
        return seen

    def apply(self, changes: Sequence[Change]) -> None:
        """Make changes."""
        done = self.run(apply_script(changes))
        check_applied(changes, done.stdout.decode(), done.returncode, done.stderr.decode())

    def converge(self, *anchors: str) -> list[str]:
        """Bring the place to these anchors; gives what was changed."""
        trust = Trust(Bundle(anchors))
        changes = trust.changes(self.observe(trust))
        if changes:
            self.apply(changes)
        return [str(change) for change in changes if not change.guard]

    def tree(self) -> dict[str, tuple[int, str]]:
        """Everything in the store: type and mode, and the target or the content."""
        found = {}
        for path in sorted(self.store.rglob("*")):
            mode = path.lstat().st_mode
            found[path.name] = (mode, str(path.readlink()) if stat.S_ISLNK(mode) else path.read_bytes().hex())
        return found

    def as_the_tool_makes_it(self) -> bool:
        """Whether the tool, working from scratch, leaves the very same store."""
        before = self.tree()
        shutil.copytree(self.store, self.here / "kept", symlinks=True)
        self.tool("--fresh")
        after = self.tree()
        shutil.rmtree(self.store)
        (self.here / "kept").rename(self.store)
        assert before == after
        return before == after


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host in a temporary directory."""
    return Machine(tmp_path)


PLUS, MINUS = "+/etc/ssl/certs/", "-/etc/ssl/certs/"


def second(pem: str) -> str:
    """What a further anchor is called."""
    return f"phoenix_ca_{Bundle((pem,)).fingerprints[0][:8]}.pem"


STEPS: list[tuple[tuple[str, ...], tuple[str, ...], list[str]]] = [
    ((), (R1,), [f"{PLUS}phoenix_ca.pem"]),
    ((R1,), (R1, R2), [f"{PLUS}{second(R2)}"]),
    ((R1,), (R1, OTHER), [f"{PLUS}{second(OTHER)}"]),
    ((R1,), (R2,), [f"{PLUS}phoenix_ca.pem"]),
    ((R1,), (OTHER,), [f"{PLUS}phoenix_ca.pem"]),
    ((R1, R2), (R2,), [f"{PLUS}phoenix_ca.pem", f"{MINUS}{second(R2)}"]),
    ((R1, R2), (R1,), [f"{MINUS}{second(R2)}"]),
    ((R1, OTHER), (R1,), [f"{MINUS}{second(OTHER)}"]),
    ((R1,), (), [f"{MINUS}phoenix_ca.pem"]),
    ((R1, R2), (), [f"{MINUS}phoenix_ca.pem", f"{MINUS}{second(R2)}"]),
]


@pytest.mark.parametrize(("before", "after", "hooks"), STEPS)
def test_store_is_byte_for_byte_what_the_tool_makes(
    machine: Machine, before: tuple[str, ...], after: tuple[str, ...], hooks: list[str]
) -> None:
    """Adding, replacing and removing leave links, hash links and bundle as from scratch, without the tool."""
    machine.converge(*before)
    machine.forget()
    assert machine.converge(*after)
    assert machine.noted("tool") == []
    assert machine.noted("hooks") == hooks
    assert machine.as_the_tool_makes_it()
    assert machine.converge(*after) == []


def test_adding_is_what_the_tool_does_by_itself(machine: Machine) -> None:
    """For a new anchor the tool without options leaves the same store, and tells hooks the same."""
    machine.converge(R1)
    ours, told = machine.tree(), machine.noted("hooks")
    machine.converge()
    assert machine.noted("hooks") == [*told, f"{MINUS}phoenix_ca.pem"]
    machine.forget()
    (machine.own / "phoenix_ca.crt").write_text(R1)
    machine.tool()
    assert (machine.tree(), machine.noted("hooks")) == (ours, told)


def _missing_stranger(machine: Machine) -> None:
    (machine.store / "A.pem").unlink()


def _dangling(machine: Machine) -> None:
    (machine.store / "dead.pem").symlink_to("nowhere")


def _disordered(machine: Machine) -> None:
    link = next(path for path in machine.store.glob("*.0") if str(path.readlink()) == "A.pem")
    link.rename(link.with_suffix(".3"))


def _killed_tool(machine: Machine) -> None:
    (machine.store / "ca-certificates.crt.new").write_text("half of a bundle\n")
    _missing_stranger(machine)


def _no_bundle(machine: Machine) -> None:
    (machine.store / "ca-certificates.crt").unlink()


def _withdrawn_by_configuration(machine: Machine) -> None:
    (machine.here / "etc/ca-certificates.conf").write_text("!mozilla/A.crt\nz.crt\n")


def _same_subject(machine: Machine) -> None:
    (machine.own / "theirs.crt").write_text(anchor("Lab Root", 3))
    machine.tool()


def _same_certificate(machine: Machine) -> None:
    (machine.own / "a copy.crt").write_text(R2)
    machine.tool()


UNEXPECTED = [
    _missing_stranger, _dangling, _disordered, _killed_tool, _no_bundle, _withdrawn_by_configuration, _same_subject,
    _same_certificate,
]  # fmt: skip


@pytest.mark.parametrize("damage", UNEXPECTED)
def test_unexpected_store_is_left_to_the_tool(machine: Machine, damage: object) -> None:
    """Where others' part of the store is not as the tool makes it, the tool does the work, and once is enough."""
    machine.converge(R1)
    machine.forget()
    assert callable(damage)
    damage(machine)
    machine.forget()
    assert machine.converge(R1, R2)
    assert machine.noted("tool") == ["tool"]
    machine.forget()
    assert machine.as_the_tool_makes_it()
    assert machine.converge(R1, R2) == []


def _our_link(machine: Machine) -> None:
    (machine.store / "phoenix_ca.pem").unlink()


def _our_hash_link(machine: Machine) -> None:
    next(path for path in machine.store.glob("*.0") if str(path.readlink()) == "phoenix_ca.pem").unlink()


def _our_file(machine: Machine) -> None:
    (machine.own / "phoenix_ca.crt").write_text("garbage\n")


def _our_entry(machine: Machine) -> None:
    bundle = machine.store / "ca-certificates.crt"
    bundle.write_text(bundle.read_text().replace(R1, ""))


def _old_anchor(machine: Machine) -> None:
    (machine.own / "phoenix_ca_00000000.crt").write_text(OTHER)
    machine.tool()


def _old_link(machine: Machine) -> None:
    _old_anchor(machine)
    (machine.own / "phoenix_ca_00000000.crt").unlink()


def _old_entry(machine: Machine) -> None:
    with (machine.store / "ca-certificates.crt").open("a") as bundle:
        bundle.write(OTHER)


@pytest.mark.parametrize(
    "damage", [_our_link, _our_hash_link, _our_file, _our_entry, _old_anchor, _old_link, _old_entry]
)
def test_damage_to_our_part_is_seen_and_mended(machine: Machine, damage: object) -> None:
    """Whatever happens to an anchor in the store is noticed, and afterwards the store is as from scratch."""
    machine.converge(R1)
    assert callable(damage)
    damage(machine)
    assert machine.converge(R1)
    assert machine.as_the_tool_makes_it()
    assert machine.converge(R1) == []


@pytest.mark.parametrize("made", range(6))
def test_killed_between_any_two_steps(machine: Machine, made: int) -> None:
    """A rotation's end that was killed after any step is brought to its end, hooks told of what went included."""
    machine.converge(R1, OTHER)
    machine.forget()
    trust = Trust(Bundle((R2,)))
    changes = trust.changes(machine.observe(trust))
    assert len(changes) == 6
    machine.apply(changes[:made])
    machine.converge(R2)
    assert machine.as_the_tool_makes_it()
    assert f"{MINUS}{second(OTHER)}" in machine.noted("hooks")
    assert machine.converge(R2) == []


def test_killed_inside_a_step(machine: Machine) -> None:
    """Killed while hooks run, the next run has them told again."""
    kill = "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)"
    machine.program("etc/ca-certificates/update.d/aaa", f"[ -e {machine.here}/once ] || {kill}; :")
    with pytest.raises(Exception, match="trust store"):
        machine.converge(R1)
    (machine.here / "once").touch()
    machine.forget()
    assert machine.converge(R1)
    assert f"{PLUS}phoenix_ca.pem" in machine.noted("hooks")
    assert machine.as_the_tool_makes_it()


def test_failing_hook_is_a_failure(machine: Machine) -> None:
    """A hook that fails fails the change, by name, and the next run tries again."""
    machine.program("etc/ca-certificates/update.d/bad", "exit 3")
    with pytest.raises(Exception, match="bad ended with 3"):
        machine.converge(R1)
    (machine.hooks / "bad").unlink()
    assert machine.converge(R1)
    assert machine.converge(R1) == []


def test_readers_are_told_once_and_in_order(machine: Machine) -> None:
    """Docker, Nginx and Traefik hear of a new anchor if they run, in this order; without a change nobody does."""
    units = machine.here / "run/systemd/units"
    units.mkdir(parents=True)
    for name in ("traefik", "docker"):
        (units / f"invocation:{name}.service").symlink_to("x")
    machine.converge(R1)
    told = [line for line in machine.noted("systemctl") if not line.startswith("reset-failed")]
    assert told == ["restart docker.service", "restart traefik.service"]
    machine.forget()
    assert machine.converge(R1) == []
    assert machine.noted("systemctl") == []


@pytest.mark.parametrize(
    ("unit", "loaded", "told"),
    [
        ("traefik.service", "run/traefik/anchors.crt", "restart"),
        ("nginx.service", "run/nginx-anchors.crt", "reload"),
    ],
)
def test_who_has_read_the_bundle_is_not_told_of_it(machine: Machine, unit: str, loaded: str, told: str) -> None:
    """A program that has read the bundle is left alone while that is mended; one that has read another is told."""
    units, copy = machine.here / "run/systemd/units", machine.here / loaded
    units.mkdir(parents=True)
    (units / f"invocation:{unit}").symlink_to("x")
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(R1)
    (machine.here / "etc/nginx").mkdir()
    (machine.here / "etc/nginx/site").write_text(f"trusts {machine.here}/etc/phoenix/phoenix_ca_bundle.crt")
    assert machine.converge(R1)
    assert machine.noted("systemctl") == []
    copy.write_text(OTHER)
    assert machine.converge(R1) == [f"{told} unit {unit}: it reads anchors only at start"]
    assert f"{told} {unit}" in machine.noted("systemctl")
