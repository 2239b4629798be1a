"""Programs are run within a time limit, and leave no children."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.process import Runner


def test_output_and_environment() -> None:
    """The program's output comes back, and the given environment is added to ours."""
    assert Runner()("sh", "-c", 'echo "$WORD"', limit=5, environment={"WORD": "hello"}) == "hello\n"


def test_a_failure_says_what_the_program_said() -> None:
    """Status and the end of the complaint are in the message."""
    with pytest.raises(ArtifactError, match=r"failed \(3\): no such module"):
        Runner()("sh", "-c", "echo no such module >&2; exit 3", limit=5)


def test_a_missing_program_is_named() -> None:
    """A program that is not there is an error with its name."""
    with pytest.raises(ArtifactError, match="no-such-program could not be started"):
        Runner()("no-such-program", limit=5)


def test_the_limit_ends_children_too(tmp_path: Path) -> None:
    """At the limit the program and what it started are ended."""
    mark = tmp_path / "mark"
    with pytest.raises(ArtifactError, match="was ended after 0 s"):
        Runner()("sh", "-c", f"(sleep 0.6; touch {mark}) & wait", limit=0.2)
    time.sleep(0.7)
    assert not mark.exists()


def test_stop_ends_what_runs_and_starts_nothing_more() -> None:
    """After a stop a running program is gone at once, and no further one begins."""
    runner = Runner()
    stopper = threading.Timer(0.2, runner.stop)
    stopper.start()
    began = time.monotonic()
    with pytest.raises(ArtifactError, match="failed"):
        runner("sleep", "30", limit=30)
    assert time.monotonic() - began < 5
    with pytest.raises(ArtifactError, match="stopping"):
        runner("true", limit=5)
    stopper.join()
