"""The runbooks as an ordinary user: what they cannot read or write is one message, never a traceback.

The user has no entry in /etc/passwd. It may read every file, as the interpreter may be root's, but write only its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

UID = 64_999  # used by no one
BECOME = (
    *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--"),
)


@pytest.fixture(autouse=True, scope="module")
def _can_become() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not shutil.which("setpriv") or subprocess.run([*BECOME, "true"], check=False, timeout=10).returncode:
        pytest.skip("setpriv cannot become another user here")


def runbook(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a runbook as that user, with exactly this environment."""
    return subprocess.run(
        [*BECOME, sys.executable, ROOT / "runbooks" / f"{name}.py", *words],
        env={"PATH": os.environ["PATH"], "COLUMNS": "500", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.parametrize("words", [("deploy", "--help"), ("flows",)])
def test_what_needs_no_directory(words: tuple[str, ...]) -> None:
    """What needs neither cache nor access file works without a home directory."""
    done = runbook(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout != ""


NO_HOME = f"user {UID} has no home directory. Set "
NO_CACHE = "the cache {place}/artifacts cannot be used: {place}: Permission denied."
NO_ACCESS = "{place}/.config/phoenix/access.yaml does not exist; it defines the access to the hypervisors"


@pytest.mark.parametrize(
    ("words", "variable", "says"),
    [
        (("deploy", "--dry-run"), None, f"{NO_HOME}PHOENIX_ACCESS, XDG_CONFIG_HOME or HOME"),
        (("deploy", "--dry-run"), "HOME", NO_ACCESS),
        (("deploy", "--lab", "--dry-run"), "PHOENIX_LAB", "{place}/access.yaml does not exist"),
        (("artifacts",), None, f"{NO_HOME}PHOENIX_CACHE, XDG_CACHE_HOME or HOME"),
        (("artifacts",), "PHOENIX_CACHE", NO_CACHE),
        (("lab", "status"), None, f"{NO_HOME}PHOENIX_CACHE, XDG_CACHE_HOME or HOME"),
        (("lab", "down"), "PHOENIX_CACHE", "cannot be opened: Permission denied. Run as root, or set PHOENIX_CACHE"),
    ],
)
def test_what_cannot_begin(tmp_path: Path, words: tuple[str, ...], variable: str | None, says: str) -> None:
    """A missing home, access file or cache gives 1 and one message that names it and what to do."""
    place = tmp_path / "roots"
    done = runbook(*words, **({variable: str(place)} if variable else {}))
    assert (done.returncode, done.stdout) == (1, "")
    assert says.format(place=place) in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
