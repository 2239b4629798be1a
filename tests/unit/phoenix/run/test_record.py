"""The record of a run: the document of `--json`, and the console."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from phoenix.converge import Change
from phoenix.report.console import Progress, summary
from phoenix.run.record import RunRecord, TaskRecord

CHANGE = Change("file /a", "update", "content differs", "-old\n+new", script="put secret", guard=False)


def filled() -> RunRecord:
    """Create a record of three hosts: one changed, one failed, one was left out."""
    record = RunRecord()
    record.add("a", TaskRecord("services", "configure_nginx", 0.25, (CHANGE, CHANGE)))
    record.add("a", TaskRecord("proof", "prove_routes", 0.5))
    record.add("b", TaskRecord("guests", "create_guest", 1.0, error="no [bold]room[/]"))
    record.add("c", TaskRecord("guests", "guests", 0.0, error="left out: it depends on b", skipped=True))
    return record


def test_shape(tmp_path: Path) -> None:
    """The document has the documented keys and types."""
    record = filled()
    record.write(tmp_path / "record.json")
    read = json.loads((tmp_path / "record.json").read_text())
    assert (read["changed"], read["failed"]) == (2, ["b", "c"])
    assert isinstance(read["seconds"], float)
    assert set(read) - {"stages"} == {"changed", "failed", "seconds", "hosts"}
    assert set(read["hosts"]) == {"a", "b", "c"}
    for host in read["hosts"].values():
        assert set(host) - {"round_trips"} == {"tasks"}
        for task in host["tasks"]:
            assert {"task", "changed", "failed", "seconds", "changes"} <= set(task)
    nginx, proof = read["hosts"]["a"]["tasks"]
    assert (nginx["task"], nginx["changed"], nginx["failed"], nginx["seconds"]) == (
        "configure_nginx",
        True,
        False,
        0.25,
    )
    assert nginx["changes"][0] == {
        "resource": "file /a",
        "action": "update",
        "reason": "content differs",
        "diff": "-old\n+new",
    }
    assert (proof["changed"], proof["changes"]) == (False, [])
    assert (read["hosts"]["b"]["tasks"][0]["failed"], read["hosts"]["b"]["tasks"][0]["error"]) == (
        True,
        "no [bold]room[/]",
    )


def test_scripts_stay_out() -> None:
    """The script of a change, which can contain a secret, is not in the record."""
    assert "secret" not in json.dumps(filled().as_json())


def shown(*, diff: bool, dry_run: bool) -> str:
    """Print the records to a console."""
    console = Console(file=StringIO(), width=100, force_terminal=False)
    progress, record = Progress(console, diff=diff, dry_run=dry_run), filled()
    for host, tasks in record.hosts.items():
        for task in tasks:
            progress(host, task)
    summary(console, record, ["c", "b", "a", "d"], dry_run=dry_run)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_several_problems() -> None:
    """An error of several lines, and a wait, are printed one a line, as text."""
    console = Console(file=StringIO(), width=40, force_terminal=False)
    progress = Progress(console, diff=False, dry_run=False)
    progress("pve", TaskRecord("preflight", "check_access", 0.5, error="no bridge [vmbr9]\nport 53 is taken"))
    progress.wait("wiki", "waits for the lock [disk] of CT 900: 2 s of 600 s")
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().splitlines() == [
        "✗ pve preflight:",
        "  no bridge [vmbr9]",
        "  port 53 is taken",
        "… wiki waits for the lock [disk] of CT 900: 2 s of 600 s",
    ]


def test_console() -> None:
    """The console prints host, stage and cause; diffs are optional; markup in a message is printed as text."""
    text = shown(diff=False, dry_run=False)
    assert "b guests: no [bold]room[/]" in text
    assert "configure nginx, 2 changes" in text
    assert "+new" not in text
    assert [line.split()[0] for line in text.splitlines() if line.split()[-1:] in (["out"], ["guests"], ["changed"])][
        -3:
    ] == ["c", "b", "a"]
    assert "+new" in shown(diff=True, dry_run=False)
    assert "update file /a: content differs" in shown(diff=True, dry_run=True)
    assert "What would change" in shown(diff=False, dry_run=True)
    assert any(line.endswith("would change") for line in shown(diff=False, dry_run=True).splitlines())
