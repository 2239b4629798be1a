"""Files that Phoenix did not write, at paths that it manages: copies are kept on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.connections.ssh import Completed
from phoenix.converge import (
    MADE,
    File,
    HostSession,
    Leftovers,
    ManagedGlob,
    Observation,
    PinnedProgram,
    Unit,
    Upload,
)
from phoenix.converge.observe import FileStat
from tests.unit.phoenix.converge.test_scripts import ME, Host

TEXT = f"# Made from {MADE}.\nnew\n"
OLD = f"# Made from {MADE}.\nold\n"
UNIT = "[Unit]\nDescription=Mesh of the estate\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host in a temporary directory."""
    return Host(tmp_path)


def copies(host: Host) -> list[str]:
    """The contents of the kept copies."""
    return sorted(path.read_text() for path in (host.here / "replaced").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("before", "kept"),
    [("theirs\n", ["theirs\n"]), (OLD, []), (TEXT, []), ("", []), (None, [])],
)
def test_replaced_file(host: Host, before: str | None, kept: list[str]) -> None:
    """A file without the mark is kept as a copy before it is replaced, once; the plan says so."""
    path = Path(host.path("app.yml"))
    if before is not None:
        path.write_text(before)
    changes = host.converge(File(str(path), TEXT, ME))
    assert [("Phoenix did not write it" in change) for change in changes if "update" in change] == (
        [bool(kept)] if before not in (None, TEXT) else []
    )
    assert (path.read_text(), copies(host)) == (TEXT, kept)
    assert host.converge(File(str(path), TEXT, ME)) == []


def test_earlier_copies_stay(host: Host) -> None:
    """A second foreign file at the same path does not replace the copy of the first."""
    path = Path(host.path("app.yml"))
    for text in ("first\n", "second\n"):
        path.write_text(text)
        host.converge(File(str(path), TEXT, ME))
    assert copies(host) == ["first\n", "second\n"]


@pytest.mark.parametrize(("name", "kept"), [("app.d", ["theirs\n"]), ("phoenix.d", [])])
def test_removed_files(host: Host, name: str, kept: list[str]) -> None:
    """Where a pattern has not Phoenix's name, only files with the mark are removed without a copy."""
    folder = Path(host.path(name))
    folder.mkdir()
    (folder / "own.conf").write_text("theirs\n")
    (folder / "old.conf").write_text(OLD)
    (folder / "link.conf").symlink_to("../elsewhere")
    host.converge(ManagedGlob(f"{folder}/*.conf", ()))
    assert (list(folder.iterdir()), copies(host)) == ([], kept)
    assert (host.here / "replaced" / str(folder / "link.conf")[1:]).is_symlink() == bool(kept)


@pytest.mark.parametrize(("text", "is_ours"), [(UNIT + "# older\n", True), ("[Unit]\nDescription=Traefik\n", False)])
def test_unit_is_known_by_its_description(text: str, is_ours: bool) -> None:  # noqa: FBT001 - a value of the table
    """A unit's file is Phoenix's if it has the description that Phoenix gives it."""
    unit = Unit("traefik.service", UNIT)
    assert unit.file
    seen = unit_seen(unit, text)
    assert [change.reason.startswith("Phoenix did not write it") for change in unit.file.changes(seen)] == [not is_ours]


def unit_seen(unit: Unit, text: str) -> Observation:
    """An observation of a unit's file with some text."""
    assert unit.file
    return Observation(
        stats={unit.file.path: FileStat("regular file", "0644", "root:root", len(text), 0)},
        contents={unit.file.path: text.encode()},
    )


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"own.conf": "theirs\n"}, ["own.conf"]),
        ({"own.conf": "theirs\n", "old.conf": OLD, "kept.conf": OLD}, ["kept.conf", "own.conf"]),
        ({}, []),
    ],
)
def test_leftovers(host: Host, files: dict[str, str], left: list[str]) -> None:
    """Only files with the mark that are not declared are removed."""
    folder = Path(host.path(""))
    for name, text in files.items():
        (folder / name).write_text(text)
    resource = Leftovers(f"{folder}/*.conf", MADE, (f"{folder}/kept.conf",))
    host.converge(resource)
    assert sorted(path.name for path in folder.iterdir()) == left
    assert host.converge(resource) == []


def test_unit_of_leftovers(host: Host) -> None:
    """A package's unit that is of no use without the files is stopped and disabled first."""
    Path(host.path("app.conf")).write_text(OLD)
    resource = Leftovers(host.path("*.conf"), MADE, stops="nginx.service")
    assert host.converge(resource)[0] == "stop unit nginx.service: its files are not declared"
    assert host.verbs == ["disable --quiet --now nginx.service"]


@pytest.mark.parametrize(
    ("path", "script"),
    [
        ("/etc/systemd/system/a.mount", "systemctl disable --quiet --now a.mount && rm -f"),
        ("/etc/systemd/system/a.service.d/phoenix.conf", "rm -f"),
        ("/etc/a.conf", "rm -f"),
    ],
)
def test_removal_of_leftovers(path: str, script: str) -> None:
    """A unit is stopped before its file is removed; a drop-in and a file are only removed."""
    (change,) = Leftovers(path, MADE).changes(Observation(contents={path: OLD.encode()}))
    assert change.script.startswith(f"{script} {path}")
    assert change.script.endswith("daemon-reload") == ("systemd" in path)


class RecordingShell:
    """A shell that notes what it is asked to do."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def run(self, script: str, limit: float = 0.0) -> Completed:  # noqa: ARG002 - the protocol's
        """Note whether the script keeps a copy."""
        self.done.append("keep" if f"keep {UPLOAD.path} && true" in script else "script")
        return Completed(0, "@done\n", "")

    def upload(self, source: Path, path: str, mode: str, mtime: int) -> Completed:  # noqa: ARG002 - the protocol's
        """Note the upload."""
        self.done.append("upload")
        return Completed(0, "", "")


UPLOAD = Upload(Path("app.gz"), "/usr/local/bin/app", "0755", 7)


@pytest.mark.parametrize(("mtime", "done"), [(8, ["upload"]), (1_700_000_000, ["keep", "upload"])])
def test_foreign_program(mtime: int, done: list[str]) -> None:
    """A program that Phoenix did not install is kept before the pinned one is uploaded; its time tells them apart."""
    seen = Observation(stats={UPLOAD.path: FileStat("regular file", "0755", "root:root", 1, mtime)})
    shell = RecordingShell()
    HostSession("host", shell).apply(PinnedProgram("app", "1.0", 100, UPLOAD).changes(seen))
    assert shell.done == done
