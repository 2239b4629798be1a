"""The process of a command: its settings, Ctrl-C, and that only a command changes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from phoenix.cli import process
from phoenix.cli.process import run_command
from tests.support.places import ROOT

REPORT = """
import atexit, gc, json, logging, os, signal, sys
registered = []
atexit.register = lambda function, *_, **__: registered.append(function)
settings = lambda: {
    "threshold": gc.get_threshold()[0],
    "freezes at exit": gc.freeze in registered,
    "plugins": os.environ.get("PYDANTIC_DISABLE_PLUGINS"),
    "invoke is hidden": sys.modules.get("invoke", "") is None,
    "paramiko": logging.getLogger("paramiko").level,
    "root logger": [logging.getLogger().level, len(logging.getLogger().handlers)],
    "path": sys.path,
    "environment": dict(os.environ),
    "SIGINT": str(signal.getsignal(signal.SIGINT)),
    "SIGTERM": str(signal.getsignal(signal.SIGTERM)),
}
before = settings()
"""
IMPORT_ALL = """
import importlib, pkgutil
import phoenix
modules = [found.name for found in pkgutil.walk_packages(phoenix.__path__, "phoenix.")]
for name in modules:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name == "h2", error  # the stand-ins that speak gRPC run in guests only
print(json.dumps([before, settings(), len(modules)]))
"""
PREPARE = """
from phoenix.cli.process import prepare_process
prepare_process()
import paramiko
print(json.dumps([before, settings(), 0]))
"""


def settings(program: str) -> tuple[dict[str, object], dict[str, object], int]:
    """Run a program in a fresh interpreter; return the process's settings before and after it, and its count."""
    command = [sys.executable, "-c", REPORT + program]
    env = {name: value for name, value in os.environ.items() if name != "PYDANTIC_DISABLE_PLUGINS"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=50, env=env)
    before, after, count = json.loads(done.stdout)
    return before, after, count


def test_importing_changes_no_setting() -> None:
    """Importing every module changes no setting: garbage collector, environment, modules, logs, path, signals."""
    before, after, count = settings(IMPORT_ALL)
    assert count > 200
    assert after == before


def test_a_command_prepares_its_process() -> None:
    """A command collects garbage rarely, loads no plugins and no command runner, and silences paramiko's log."""
    before, after, _ = settings(PREPARE)
    changed = {name: value for name, value in after.items() if value != before[name] and name != "environment"}
    assert changed == {
        "threshold": 100_000,
        "freezes at exit": True,
        "plugins": "__all__",
        "invoke is hidden": True,
        "paramiko": 50,
    }


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note preparations instead of changing the process of the tests."""
    notes: list[str] = []
    monkeypatch.setattr(process, "prepare_process", lambda: notes.append("prepared"))
    return notes


def test_command_runs_prepared(prepared: list[str]) -> None:
    """A command gets its arguments in a prepared process, and its status is returned."""

    def main(arguments: Sequence[str] | None = None) -> int:
        assert prepared == ["prepared"]
        return len(arguments or ())

    assert run_command(main, ["--one", "--two"]) == 2
    assert prepared == ["prepared"]


@pytest.mark.usefixtures("prepared")
def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C while a command reads its files is a message and status 130, and no traceback."""

    def main(_arguments: Sequence[str] | None = None) -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run_command(main)
    assert end.value.code == 130
    assert capsys.readouterr().err == "\nStopped by Ctrl-C.\n"


@pytest.mark.parametrize("words", [("completion", "bash"), ("flows",), ("dns",), ("flows", "--help"), ("--version",)])
def test_reader_that_is_gone(words: tuple[str, ...]) -> None:
    """A command whose output nobody reads any more ends as SIGPIPE would end it, without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = ["env", "-u", "PYTHONUNBUFFERED", sys.executable, "-m", "phoenix.runbooks", *words]
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT, timeout=30
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
