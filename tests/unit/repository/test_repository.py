"""The repository's own files agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from phoenix.lab.preflight import PROGRAMS
from tests.support.places import ROOT

ESSENTIAL = {"dpkg", "util-linux"}  # every Debian has them
LOCKS = ("requirements.lock", "requirements-dev.lock", "lab/requirements.lock")


def versions(lock: str) -> dict[str, str]:
    """The pinned versions of a lock, by package."""
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonical(name): version for name, version in found}


def canonical(name: str) -> str:
    """The name of a distribution, normalized (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_setup_installs_what_the_lab_asks_for() -> None:
    """`make setup` installs each program without which the lab does not start."""
    pairs = dict(re.findall(r"\b([a-z][\w-]+):([a-z][\w-]+)\b", (ROOT / "scripts" / "setup").read_text()))
    wanted = {program: package for program, package in PROGRAMS.items() if package not in ESSENTIAL}
    assert wanted.items() <= pairs.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_and_hashes_everything(lock: str) -> None:
    """A lock has a hash for each requirement, and no index or path of the machine that wrote it."""
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|--(find-links|index-url|extra-index-url)|/(tmp|home|root|opt)/", text)
    requirements = re.findall(r"^[a-z].*(?:\n +--hash=\S+.*)*", text, re.MULTILINE)
    assert len(requirements) == len(versions(lock)) > 10
    assert [one.splitlines()[0] for one in requirements if "--hash=sha256:" not in one] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "lab/requirements.lock"])
def test_what_is_tested_is_what_is_installed(lock: str) -> None:
    """The run-time locks pin the same versions as the lock of the tests."""
    assert versions(lock).items() <= versions("requirements-dev.lock").items()


@pytest.mark.parametrize("runs", ["deploy", "artifacts", "lab"])
def test_the_runtime_lock_is_enough(runs: str) -> None:
    """A deployment, the artifacts and the controller's part of the lab import only what requirements.lock names."""
    modules = {
        "deploy": "phoenix.runbooks.deploy, phoenix.cli.conduct, phoenix.artifacts.obtain, nornir.plugins.runners",
        "artifacts": "phoenix.runbooks.artifacts, requests",
        "lab": "phoenix.runbooks.lab, phoenix.lab.start, phoenix.lab.prepare, phoenix.lab.stop, phoenix.lab.forward",
    }
    code = f"import sys; before = {{*sys.modules}}; import {modules[runs]}; print(*{{*sys.modules}} - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    distributions = packages_distributions()
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    used = {canonical(one) for name in imported for one in distributions.get(name, ())} - {"phoenix-hypervisor"}
    assert used != set()
    assert used <= versions("requirements.lock").keys()


def test_fakepve_is_not_needed_to_deploy() -> None:
    """The AGPL extra is in the lab's lock and not in the run-time one."""
    assert "fakepve" in versions("lab/requirements.lock")
    assert "fakepve" not in versions("requirements.lock")


@pytest.mark.parametrize(
    "path", ["scripts/setup", "scripts/lock", "scripts/check-userlands", "scripts/check-programs", ".ci/run"]
)
def test_scripts_can_be_run(path: str) -> None:
    """Scripts are executable."""
    assert (ROOT / path).stat().st_mode & 0o111
