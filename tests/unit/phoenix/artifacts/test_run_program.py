"""Programs run within a time limit and leave no child processes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.run_program import ProgramRunner


def test_output_and_environment() -> None:
    """The output of the program is returned, and variables are added to the environment."""
    assert ProgramRunner()("sh", "-c", 'echo "$WORD"', limit=5, environment={"WORD": "hello"}) == "hello\n"


def test_a_failure_quotes_the_program() -> None:
    """The message has the exit status and the end of standard error."""
    with pytest.raises(ArtifactError, match=r"failed \(3\): no such module"):
        ProgramRunner()("sh", "-c", "echo no such module >&2; exit 3", limit=5)


def test_a_missing_program_is_named() -> None:
    """A missing program is an error that names it."""
    with pytest.raises(ArtifactError, match="no-such-program could not be started"):
        ProgramRunner()("no-such-program", limit=5)


def test_the_limit_ends_children_too(tmp_path: Path) -> None:
    """At the limit, the program and its child processes are ended."""
    mark = tmp_path / "mark"
    with pytest.raises(ArtifactError, match="was ended after 0 s"):
        ProgramRunner()("sh", "-c", f"(sleep 0.6; touch {mark}) & wait", limit=0.2)
    time.sleep(0.7)
    assert not mark.exists()


def test_stop() -> None:
    """A stop ends the running program at once, and no further program starts."""
    runner = ProgramRunner()
    stopper = threading.Timer(0.2, runner.stop)
    stopper.start()
    start = time.monotonic()
    with pytest.raises(ArtifactError, match="failed"):
        runner("sleep", "30", limit=30)
    assert time.monotonic() - start < 5
    with pytest.raises(ArtifactError, match="stopping"):
        runner("true", limit=5)
    stopper.join()
