"""The README's picture of a deployment shows what the commands print today."""

from __future__ import annotations

import json
import subprocess
import sys

from phoenix.runbooks.deploy import deployment
from tests.support.inventories import example
from tests.support.places import ROOT

COMMAND = "scripts/deploy_picture.py"


def test_picture_is_what_the_console_prints() -> None:
    """The console prints the recorded runs exactly as the picture shows them."""
    done = subprocess.run(
        (sys.executable, COMMAND, "--check"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_recorded_tasks_exist() -> None:
    """Each recorded task is one of today's chain, in its stage, and each host is one of the example's."""
    records = json.loads((ROOT / "docs/images/deploy.json").read_text("utf-8"))
    estate = example()
    known = {(stage.name, step.task.__name__) for stage in deployment(estate) for step in stage.steps}
    recorded = {(t["stage"], t["task"]) for one in records for entry in one["hosts"].values() for t in entry["tasks"]}
    assert recorded - known == set(), f"run {COMMAND} --record in an empty lab"
    assert {name for one in records for name in one["hosts"]} <= {host.name for host in estate.hosts()}
