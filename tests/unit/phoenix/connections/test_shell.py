"""Shells: their commands and input, run by a local /bin/sh in place of the SSH link."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import cast

import pytest

from phoenix.connections.shell import ContainerShell, MachineShell, NodeShell, unpack, wrap_script
from phoenix.connections.ssh import Completed, SshLink

NASTY = ["plain", "with space", "qu'ote", 'dou"ble', "$HOME", "`id`", "a;b", "back\\slash", "*", "é"]


Any = NodeShell | ContainerShell | MachineShell


class LocalLink:
    """Run commands in a local shell, with stand-in programs first on PATH."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.commands: list[str] = []

    def run(self, command: str, data: bytes | Path = b"", limit: float = 120.0, name: str | None = None) -> Completed:
        """Run a command as sshd does."""
        assert name in (None, "step-ca")
        self.commands.append(command)
        stdin = data if isinstance(data, bytes) else data.read_bytes()
        env = {"PATH": f"{self.programs}:/usr/bin:/bin"}
        done = subprocess.run(
            ["/bin/sh", "-c", command], input=stdin, capture_output=True, env=env, timeout=limit, check=False
        )
        return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def link(tmp_path: Path) -> LocalLink:
    """A link with stand-ins for lxc-attach and sudo."""
    programs = tmp_path / "bin"
    programs.mkdir()
    attach = '#!/bin/sh\n[ "$1 $2 $3 $4" = "-n 103 --clear-env --" ] || exit 9\nshift 4\nexec env -i "$@"\n'
    for name, text in {"lxc-attach": attach, "sudo": '#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nexec "$@"\n'}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return LocalLink(programs)


@pytest.fixture(params=["node", "container", "machine"])
def shell(request: pytest.FixtureRequest, link: LocalLink) -> Any:
    """Open each kind of shell over the same link."""
    over = cast("SshLink", link)
    kinds: dict[str, Any] = {
        "node": NodeShell(over),
        "container": ContainerShell(over, 103, "step-ca"),
        "machine": MachineShell(over),
    }
    return kinds[request.param]


def test_run(shell: Any) -> None:
    """Standard output, standard error and exit status are returned unchanged."""
    done = shell.run("printf 'a\\nb'; echo oops >&2; exit 7")
    assert (done.status, done.out, done.err) == (7, "a\nb", "oops\n")


def test_scripts_are_read_whole(shell: Any) -> None:
    """A command that reads standard input does not consume the rest of the script."""
    assert shell.run("cat; echo one; cat >/dev/null; echo two").out == "one\ntwo\n"


def test_no_script_in_arguments(shell: Any, link: LocalLink) -> None:
    """A script is passed by standard input, so that process lists do not show it."""
    shell.run("echo s3cret >/dev/null")
    assert "s3cret" not in " ".join(link.commands)


def test_incomplete_script_is_not_run(tmp_path: Path) -> None:
    """A script that arrives without its end is not run."""
    sent = wrap_script(f"touch {tmp_path}/done\nsleep 0")
    subprocess.run(["/bin/sh", "-s"], input=sent[:-20], check=False, capture_output=True)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("name", NASTY)
def test_upload(shell: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program is uploaded completely under any name, with mode and mtime, and leaves no temporary file."""
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
    """An incomplete upload leaves the old program in place."""
    target = tmp_path / "program"
    target.write_text("old")
    packed = gzip.compress(b"new" * 1000)[:-20]
    done = subprocess.run(
        ["/bin/sh", "-c", unpack(str(target), "0755", 1)], input=packed, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_staged_once(link: LocalLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for many containers is sent to their node once; after an incomplete transfer it is sent again."""
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
