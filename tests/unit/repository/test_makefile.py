"""What `make` and .ci/run would run: which requirements they install, and in which lab."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.support.places import ROOT

OPERATORS = "/srv/operators-lab"
NONE: Mapping[str, str] = MappingProxyType({})
VARIABLES = ("PHOENIX_LAB", "PHOENIX_TEST_LAB", "PHOENIX_TIMES", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def run(*command: str, environment: Mapping[str, str] = NONE, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command with exactly these of VARIABLES."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def planned(*words: str, environment: Mapping[str, str] = NONE) -> list[str]:
    """Return the lines that `make` would run; a line continued with a backslash is one."""
    done = run("make", "-n", *words, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\\\n", "").splitlines()


def in_lab(lines: list[str]) -> list[str]:
    """Return those that work on a lab of their own accord; what a `make` among them runs has its lab."""
    return [line for line in lines if any(f" {word}" in line for word in ("runbooks/lab.py down", "pytest", "-j2"))]


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ((), {}),
        ((), {"PHOENIX_LAB": OPERATORS}),
        ((f"PHOENIX_LAB={OPERATORS}",), {}),
        (("-e",), {"PHOENIX_LAB": OPERATORS}),
    ],
)
@pytest.mark.parametrize("lab", ["", "/srv/tests-lab"])
def test_the_tests_have_a_lab_of_their_own(words: tuple[str, ...], environment: dict[str, str], lab: str) -> None:
    """`make test` uses /var/lib/phoenix-lab-test or PHOENIX_TEST_LAB, wherever PHOENIX_LAB is set."""
    lines = planned("test", *words, environment={**environment, **({"PHOENIX_TEST_LAB": lab} if lab else {})})
    assert len(in_lab(lines)) == 3
    for line in in_lab(lines):
        assert f"PHOENIX_LAB='{lab or '/var/lib/phoenix-lab-test'}' " in line
    assert [line for line in lines if OPERATORS in line and not line.startswith("[ ")] == []


@pytest.mark.parametrize("spelled", ["lab", "./lab/"])
def test_the_operators_lab_is_refused(tmp_path: Path, spelled: str) -> None:
    """`make test` touches no lab and explains itself if PHOENIX_LAB names the tests' lab."""
    words = ("-o", "setup", "-o", "lint", "PY=false")
    environment = {"PHOENIX_TEST_LAB": f"{tmp_path}/lab", "PHOENIX_LAB": f"{tmp_path}/{spelled}"}
    done = run("make", *words, "test", environment=environment)
    assert done.returncode == 2
    assert f"PHOENIX_LAB names the tests' lab {tmp_path}/lab" in done.stderr
    assert "set PHOENIX_TEST_LAB to another directory" in done.stderr
    assert done.stderr.count("Error") == 1


def test_deploy_uses_the_operators_lab() -> None:
    """`make deploy` leaves PHOENIX_LAB as it is."""
    assert not [line for line in planned("deploy", environment={"PHOENIX_LAB": OPERATORS}) if "PHOENIX_LAB" in line]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("artifacts", {""}),
        ("shell", {""}),
        ("up", {"lab"}),
        ("down", {"lab"}),
        ("deploy", {"", "lab"}),
        ("lint", {"dev"}),
        ("unit", {"lab dev"}),
        ("bench", {"lab dev"}),
        ("setup", {"lab dev"}),
    ],
)
def test_what_is_installed(target: str, words: set[str]) -> None:
    """Only the commands for developers install linters and test tools, only those of the lab its packages."""
    lines = planned(target)
    setups = {line.removeprefix("scripts/setup").strip() for line in lines if line.startswith("scripts/setup")}
    assert setups == words


def test_where_the_time_went(tmp_path: Path) -> None:
    """The summary has a line for each step: begin and end since the first, and duration, also of steps that overlap."""
    marks = "setup 100.5\nsetup 108.5\nprograms 108.5\nimage 108.6\nimage 150\nprograms 200.25\nlab 150\nlab 151\n"
    (tmp_path / "times").write_text(marks)
    done = run("awk", "-f", "scripts/times.awk", str(tmp_path / "times"))
    assert done.stdout.splitlines() == [
        "where the time went: 99.8 s",
        "  step            from      to    took",
        "  setup            0.0     8.0     8.0",
        "  programs         8.0    99.8    91.8",
        "  image            8.1    49.5    41.4",
        "  lab             49.5    50.5     1.0",
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which `make` and Python only write down how they were called."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for program in (tmp_path / "make", tmp_path / ".venv/bin/python"):
        says = f'echo "{program.name} $* in ${{PHOENIX_TEST_LAB-}} ${{PHOENIX_LAB-}}" >>{tmp_path}/calls'
        program.write_text(f"#!/bin/sh\n{says}\necho '=== 1 passed in 0.1s ==='\n")
        program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("lab", ["/var/lib/phoenix-lab-test", "/srv/tests-lab"])
def test_ci_takes_down_its_own_lab(checkout: Path, lab: str) -> None:
    """.ci/run tests in the tests' lab, takes down that and those beside it, and not the operator's."""
    environment = {"PATH": f"{checkout}:{os.environ['PATH']}", "PHOENIX_LAB": OPERATORS, "PHOENIX_TEST_LAB": lab}
    done = run(".ci/run", cwd=checkout, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (checkout / "calls").read_text().splitlines() == [
        f"make test in {lab} {OPERATORS}",
        f"python runbooks/lab.py down in {lab} {lab}",
        f"python runbooks/lab.py down in {lab} {lab}-tests",
        f"python runbooks/lab.py down in {lab} {lab}-wheel",
    ]


def test_ci_refuses_the_operators_lab(checkout: Path) -> None:
    """.ci/run does nothing if PHOENIX_LAB names the tests' lab."""
    environment = {"PATH": f"{checkout}:{os.environ['PATH']}", "PHOENIX_LAB": "/var/lib/phoenix-lab-test"}
    done = run(".ci/run", cwd=checkout, environment=environment)
    assert done.returncode == 2
    assert "PHOENIX_LAB names the tests' lab /var/lib/phoenix-lab-test" in done.stderr
    assert not (checkout / "calls").exists()
