"""Draw docs/images/deploy.svg, the README's picture of a terminal, from recorded runs and with the console's own text.

`scripts/deploy_picture.py` draws the picture from the record beside it, `--check` only compares. `--record` makes the
record first: it needs a lab that is up and empty (`runbooks/lab.py down`, `up`), and deploys the example estate to it.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from phoenix.converge import Change
from phoenix.report.console import Progress, summary
from phoenix.run.record import RunRecord, TaskRecord

ROOT = Path(__file__).resolve().parent.parent
PICTURE, RECORD = ROOT / "docs/images/deploy.svg", ROOT / "docs/images/deploy.json"
DEPLOY = "python runbooks/deploy.py --lab"
EDIT = ("python", "runbooks/lab.py", "exec", "traefik", "--", "rm", "/etc/traefik/dynamic/qdrant.yml")
RUNS: tuple[tuple[str, ...], ...] = ((), (), ("--dry-run", "--diff", "--target", "traefik"))
"""Options of each run: a deployment, another one, and the plan after a file was removed by hand."""


@dataclass
class PastRun(RunRecord):
    """A run that has ended after `total` seconds."""

    total: float = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the run."""
        return self.total


def main() -> int:
    """Draw or check the picture; status 1 if it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--record", action="store_true", help="make the record first, in an empty lab")
    options = parser.parse_args()
    if options.record:
        RECORD.write_text(json.dumps(list(record()), indent=1) + "\n", "utf-8")
    drawn = draw(json.loads(RECORD.read_text("utf-8")))
    if not options.check:
        PICTURE.write_text(drawn, "utf-8")
    elif PICTURE.read_text("utf-8") != drawn:
        print(f"{PICTURE.relative_to(ROOT)} is stale: run scripts/deploy_picture.py", file=sys.stderr)
        return 1
    return 0


def record() -> Iterator[dict[str, Any]]:
    """Run the deployments in the lab and yield their records."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "record.json"
        for options in RUNS:
            if options:
                subprocess.run((sys.executable, *EDIT[1:]), cwd=ROOT, check=True)
            command = (sys.executable, *DEPLOY.split()[1:], *options, "--json", str(file))
            subprocess.run(command, cwd=ROOT, check=True)
            yield _shown(json.loads(file.read_text("utf-8")), with_diff="--diff" in options)


def _shown(fields: dict[str, Any], *, with_diff: bool) -> dict[str, Any]:
    """Leave out what the picture does not show."""
    for entry in fields["hosts"].values():
        for task in entry["tasks"]:
            hidden = {} if with_diff else {"reason": "", "diff": ""}
            task["changes"] = [change | hidden for change in task["changes"]]
    return fields


def draw(records: list[dict[str, Any]]) -> str:
    """Draw the terminal with all runs; it is as wide as its longest line."""
    text = _console(1000)
    _print_all(text, records)
    width = max(map(len, text.export_text(clear=True).splitlines()))
    console = _console(width)
    _print_all(console, records)
    return console.export_svg(title="Phoenix", unique_id="deploy")


def _console(width: int) -> Console:
    return Console(width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")


def _print_all(console: Console, records: list[dict[str, Any]]) -> None:
    for options, fields in zip(RUNS, records, strict=True):
        if options:
            console.print(f"[bold]# {' '.join(EDIT)}[/]", highlight=False, soft_wrap=True)
        console.print(f"[bold]# {' '.join((DEPLOY, *options))}[/]", highlight=False, soft_wrap=True)
        _print(console, fields, dry_run="--dry-run" in options)


def _print(console: Console, fields: dict[str, Any], *, dry_run: bool) -> None:
    """Print a run as the console does; the tasks of a stage in the order of their duration."""
    run, progress = PastRun(total=fields["seconds"]), Progress(console, diff=dry_run, dry_run=dry_run)
    for host, entry in fields["hosts"].items():
        for task in entry["tasks"]:
            run.add(host, _task(task))
    stages = list(fields["stages"])
    tasks = [(host, task) for host, found in run.hosts.items() for task in found]
    for host, task in sorted(tasks, key=lambda pair: (stages.index(pair[1].stage), pair[1].seconds)):
        progress(host, task)
    summary(console, run, list(run.hosts), dry_run=dry_run)


def _task(fields: dict[str, Any]) -> TaskRecord:
    changes = tuple(Change(one["resource"], one["action"], one["reason"], one["diff"]) for one in fields["changes"])
    notes = tuple(fields.get("notes", ()))
    return TaskRecord(
        fields["stage"], fields["task"], fields["seconds"], changes, fields.get("error"), fields["skipped"], notes
    )


if __name__ == "__main__":
    sys.exit(main())
