"""Shells: what reaches the far end, run here by a real /bin/sh in place of the link."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import cast

import pytest

from phoenix.connections.shell import ContainerShell, MachineShell, NodeShell, unpack, whole
from phoenix.connections.ssh import Completed, SshLink

NASTY = ["plain", "with space", "qu'ote", 'dou"ble', "$HOME", "`id`", "a;b", "back\\slash", "*", "é"]


Any = NodeShell | ContainerShell | MachineShell


class LocalLink:
    """Runs commands in a shell of this machine, with own programs first on PATH."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.commands: list[str] = []

    def run(self, command: str, data: bytes | Path = b"", limit: float = 120.0, name: str | None = None) -> Completed:
        """Run a command as sshd would."""
        assert name in (None, "step-ca")
        self.commands.append(command)
        given = data if isinstance(data, bytes) else data.read_bytes()
        env = {"PATH": f"{self.programs}:/usr/bin:/bin"}
        done = subprocess.run(
            ["/bin/sh", "-c", command], input=given, capture_output=True, env=env, timeout=limit, check=False
        )
        return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def link(tmp_path: Path) -> LocalLink:
    """A link with stand-ins for what enters guests."""
    programs = tmp_path / "bin"
    programs.mkdir()
    attach = '#!/bin/sh\n[ "$1 $2 $3 $4" = "-n 103 --clear-env --" ] || exit 9\nshift 4\nexec env -i "$@"\n'
    for name, text in {"lxc-attach": attach, "sudo": '#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nexec "$@"\n'}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return LocalLink(programs)


@pytest.fixture(params=["node", "container", "machine"])
def shell(request: pytest.FixtureRequest, link: LocalLink) -> Any:
    """Each kind of shell over the same link."""
    over = cast("SshLink", link)
    kinds: dict[str, Any] = {
        "node": NodeShell(over),
        "container": ContainerShell(over, 103, "step-ca"),
        "machine": MachineShell(over),
    }
    return kinds[request.param]


def test_run(shell: Any) -> None:
    """Output, errors and exit status come back as they were."""
    done = shell.run("printf 'a\\nb'; echo oops >&2; exit 7")
    assert (done.status, done.out, done.err) == (7, "a\nb", "oops\n")


def test_scripts_are_read_whole(shell: Any) -> None:
    """A command of a script cannot swallow the rest of the script by reading standard input."""
    assert shell.run("cat; echo one; cat >/dev/null; echo two").out == "one\ntwo\n"


def test_nothing_of_a_script_is_in_arguments(shell: Any, link: LocalLink) -> None:
    """What a script says travels by standard input: process lists do not show it."""
    shell.run("echo s3cret >/dev/null")
    assert "s3cret" not in " ".join(link.commands)


def test_half_a_script_does_nothing(tmp_path: Path) -> None:
    """A script whose end was lost on the way is not begun."""
    sent = whole(f"touch {tmp_path}/done\nsleep 0")
    subprocess.run(["/bin/sh", "-s"], input=sent[:-20], check=False, capture_output=True)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("name", NASTY)
def test_upload(shell: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program arrives whole under any name, with mode and time, and leaves nothing beside it."""
    monkeypatch.setattr("phoenix.connections.shell.STAGED_PROGRAMS", str(tmp_path / "stage"))
    (tmp_path / "abc").mkdir()
    source = tmp_path / "abc" / "packed.gz"
    source.write_bytes(gzip.compress(b"\x7fELF program"))
    target = tmp_path / "to" / name
    done = shell.upload(source, str(target), "0755", 12345)
    assert (done.status, done.err) == (0, "")
    assert target.read_bytes() == b"\x7fELF program"
    assert (target.stat().st_mode & 0o777, int(target.stat().st_mtime)) == (0o755, 12345)
    assert [path.name for path in target.parent.iterdir()] == [name]


def test_broken_upload(tmp_path: Path) -> None:
    """An upload that breaks off leaves the old program in place."""
    target = tmp_path / "program"
    target.write_text("old")
    packed = gzip.compress(b"new" * 1000)[:-20]
    done = subprocess.run(
        ["/bin/sh", "-c", unpack(str(target), "0755", 1)], input=packed, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_staged_once(link: LocalLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for many containers is sent to their node once; a rest of a broken transfer is sent again."""
    monkeypatch.setattr("phoenix.connections.shell.STAGED_PROGRAMS", str(tmp_path / "stage"))
    (tmp_path / "abc").mkdir()
    source = tmp_path / "abc" / "packed.gz"
    source.write_bytes(gzip.compress(b"program"))
    shell = ContainerShell(cast("SshLink", link), 103, "step-ca")
    for _ in range(2):
        assert shell.upload(source, str(tmp_path / "program"), "0755", 1).status == 0
    assert sum("cat >" in command for command in link.commands) == 1
    (tmp_path / "stage" / "abc.gz").write_bytes(b"half")
    assert shell.upload(source, str(tmp_path / "program"), "0755", 1).status == 0
    assert sum("cat >" in command for command in link.commands) == 2
