"""The command line of the runbooks: a mistake is reported with status 2 before any change."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix.artifacts import obtain
from phoenix.cli.execute import execute
from phoenix.cli.request import Options
from phoenix.runbooks.__main__ import runbook as module_of
from tests.support.inventories import Copy
from tests.support.places import ROOT

RUNBOOKS = sorted(path.stem for path in (ROOT / "runbooks").glob("[a-z]*.py"))
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.fixture(autouse=True)
def no_run_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Prevent a run: there is no access file, and obtaining artifacts fails the test."""
    monkeypatch.setenv("PHOENIX_ACCESS", str(tmp_path / "none.yaml"))
    monkeypatch.setattr(obtain, "obtain_all", lambda: pytest.fail("artifacts were obtained"))


def runbook(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a runbook as an operator does."""
    return subprocess.run(
        [sys.executable, ROOT / "runbooks" / f"{name}.py", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_malformed_inventory(tmp_path: Path) -> None:
    """The command prints every problem with its location to standard error, and ends with status 2."""
    copy = Copy(tmp_path)
    copy.edit("hosts", "memory: 1024", "memmory: 1024")
    copy.edit("defaults", "renew_before: 3d", "renew_before: 8d")
    done = runbook("deploy", "--inventory", str(copy.folder))
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "the inventory cannot be used, 2 to correct; no host was changed:"
    assert lines[1].startswith(
        f"{copy.file('defaults')}:{copy.line('defaults', 'renew_before')}: ca.leaf.renew_before:"
    )
    assert lines[2].startswith(f"{copy.file('hosts')}:{copy.line('hosts', 'memmory')}: step-ca.memmory: unknown key")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--target", "unknown"), "no host matches 'unknown'"),
        (("--target", "knd=vm"), "unknown key 'knd'"),
        (("--target", ""), "no host matches ''"),
        (("--inventory", "nowhere"), "nowhere: is not a directory"),
    ],
)
def test_wrong_input(capfd: pytest.CaptureFixture[str], words: tuple[str, str], says: str) -> None:
    """A target or an inventory that does not exist is reported with status 2."""
    options = Options(ROOT / "inventory", (words[1],)) if words[0] == "--target" else Options(Path(words[1]))
    assert execute(options, lambda _: ()) == 2
    assert says in capfd.readouterr().err


@pytest.mark.timeout(50)
@pytest.mark.parametrize("words", [("--no-such-option",), ("--workers", "0"), ("--workers", "many"), ("surplus",)])
def test_wrong_options(words: tuple[str, ...]) -> None:
    """A wrong option is reported with status 2 and without a traceback."""
    done = runbook("deploy", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert words[0].lstrip("-") in done.stderr


def test_destroy_asks() -> None:
    """`destroy` without --yes ends with status 2 and names the missing option."""
    done = runbook("destroy", "--target", "ollama")
    assert (done.returncode, "Add --yes" in done.stderr) == (2, True)


def test_rotation_asks() -> None:
    """Without standard input for an answer, a rotation does not start and ends with status 2."""
    done = runbook("rotate", "--root")
    assert (done.returncode, "There is no answer. No host was changed" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each runbook explains itself, and offers every option with which the documents name it."""
    with pytest.raises(SystemExit) as ended:
        module_of(name).main(["--help"])
    assert ended.value.code == 0
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert named(name) <= offered


def named(runbook: str) -> set[str]:
    """The options that the documents use with a runbook; what follows ` -- ` is another command's."""
    form = rf"(?:runbooks/{runbook}\.py|\bphoenix {runbook}\b)([^\n`#]*)"
    lines = re.findall(form, "\n".join(path.read_text() for path in DOCUMENTS))
    return {option for line in lines for option in re.findall(r"--[a-z-]+", line.partition(" -- ")[0])}


def test_the_documents_name_options() -> None:
    """The search finds options that the documents are known to contain."""
    assert {"--lab", "--dry-run", "--diff", "--target", "--reset-ca"} <= named("deploy")
    assert {"--root", "--announce", "--back"} <= named("rotate")


@pytest.mark.parametrize("name", RUNBOOKS)
def test_bare_python(name: str) -> None:
    """Outside its environment, each runbook says how to activate it."""
    words = ["up"] if name == "lab" else []
    path = ROOT / "runbooks" / f"{name}.py"
    command = [sys.executable, "-S", "-E", str(path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Phoenix's environment is not active: run `make shell` first")
    assert done.stderr.count("\n") == 1


def test_no_access(capfd: pytest.CaptureFixture[str]) -> None:
    """Without an access file, the run does not start, and the message names the file."""
    assert execute(Options(ROOT / "inventory"), lambda _: ()) == 1
    assert "none.yaml does not exist" in capfd.readouterr().err
