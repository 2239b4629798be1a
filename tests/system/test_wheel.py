"""The installed package, without the repository: a wheel in an empty environment deploys an inventory to the lab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import phoenix
from phoenix.lab.places import LabPlaces
from phoenix.runbooks.__main__ import COMMANDS
from tests.support.package import build
from tests.support.places import ROOT

pytestmark = pytest.mark.timeout(900)

MODULES = """
import importlib.util, json, sys
import phoenix
absent = [name for name in ("benchmarks", "lab", "runbooks", "tasks", "tests") if importlib.util.find_spec(name)]
print(json.dumps([phoenix.__file__, phoenix.__version__, absent, sys.path]))
"""
INIT = """
from nornir import InitNornir
nornir = InitNornir(inventory={"plugin": "phoenix_inventory", "options": {"directory": "inventory"}})
print(len(nornir.inventory.hosts))
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and an empty directory with an inventory; `environment` knows no repository."""

    venv: Path
    directory: Path
    environment: dict[str, str]

    def run(self, *command: str, limit: float = 60) -> str:
        """Run a program of the environment in the directory; it must succeed. Return what it printed."""
        done = subprocess.run(
            [self.venv / "bin" / command[0], *command[1:]],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=limit,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Install the locked libraries and the wheel, as docs/nornir.md says; the lab of this test is down at the end."""
    folder = tmp_path_factory.mktemp("installed")
    venv, directory = folder / "venv", folder / "estate"
    wheel = build(folder).wheel
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=120)
    for arguments in (
        ("--require-hashes", "--requirement", str(ROOT / "requirements.lock")),
        ("--no-index", str(wheel)),
    ):
        pip = [venv / "bin" / "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", *arguments]
        subprocess.run(pip, check=True, timeout=400)
    shutil.copytree(ROOT / "inventory", directory / "inventory")
    kept = {name: os.environ[name] for name in ("HOME", "PHOENIX_CACHE") if name in os.environ}
    path = f"{venv}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    lab = f"{LabPlaces.of_environment().lab}-wheel"
    made = Installed(venv, directory, {**kept, "PATH": path, "PHOENIX_LAB": lab})
    made.run("phoenix", "lab", "down")
    yield made
    made.run("phoenix", "lab", "down")


def test_only_the_package(installed: Installed) -> None:
    """Phoenix comes from the environment, and no other top-level module is installed or on the path."""
    file, version, others, path = json.loads(installed.run("python", "-I", "-c", MODULES))
    assert Path(file).is_relative_to(installed.venv)
    assert (version, others) == (phoenix.__version__, [])
    assert [entry for entry in path if Path(entry).is_relative_to(ROOT)] == []


def test_questions_need_no_lab(installed: Installed) -> None:
    """The command lists its subcommands, and answers about the inventory of the current directory."""
    overview = installed.run("phoenix", "--help")
    assert [name for name in COMMANDS if f"\n    {name}" not in overview] == []
    assert "inventory/hosts.yaml:" in installed.run("phoenix", "flows")
    assert "10.0.0.12" in installed.run("phoenix", "dns", "--why", "qdrant")
    assert "--reset-ca" in installed.run("phoenix", "completion", "bash")


def test_nornir_finds_the_inventory(installed: Installed) -> None:
    """InitNornir loads the inventory by the plugin's name, without a line of registration."""
    assert installed.run("python", "-I", "-c", INIT) == "16\n"


def test_deploys_to_the_lab(installed: Installed) -> None:
    """The installed command starts a lab and deploys to it, changes nothing a second time, and its hint works."""
    installed.run("phoenix", "lab", "up", limit=280)
    first = installed.run("phoenix", "deploy", "--lab", "--json", "first.json", limit=280)
    assert json.loads((installed.directory / "first.json").read_text())["changed"] > 0
    installed.run("phoenix", "deploy", "--lab", "--json", "second.json", limit=120)
    second = json.loads((installed.directory / "second.json").read_text())
    assert (second["changed"], second["failed"]) == (0, [])
    hint = next(line for line in first.splitlines() if "lab exec client" in line)
    assert hint.strip().startswith("phoenix lab exec pve -- ")
    answer = subprocess.run(
        ["sh", "-c", hint],
        cwd=installed.directory,
        env=installed.environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert answer.stdout
    assert "is left" in installed.run("phoenix", "lab", "down", limit=120)
