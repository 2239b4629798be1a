"""Every program parses, with any values in front and with those of a deployment."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pytest

from phoenix.converge import Daemon, File, Observation, Resource
from phoenix.converge.apply import apply_script
from phoenix.converge.host_session import probes_of, question
from phoenix.estate import Estate
from phoenix.pki.bundle import Bundle, SeenAuthority
from phoenix.run import Run
from phoenix.runbooks.deploy import deployment
from phoenix.templating import TEMPLATES, assignments, program
from tests.support.inventories import example
from tests.unit.phoenix.pki.certificates import certificate

PROGRAMS = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.sh"))
NASTY = 'it\'s "a" $HOME `id` \\ *\n;'
REQUIRED = re.compile(r'"\$\{([A-Za-z_]\w*):?\?\}"')
ROOT = certificate("root", "root")


def parsed(text: str, shell: str) -> tuple[int, str]:
    """How a shell ends that only reads a program, and what it says."""
    command = {"dash": ["dash", "-n"], "bash": ["bash", "--posix", "-n"]}[shell]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=10)
    except FileNotFoundError:
        pytest.skip(f"{shell} is not installed")
    return done.returncode, done.stderr


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("path", PROGRAMS)
def test_program_parses(path: str, shell: str) -> None:
    """A program parses behind values with quotes, line breaks and all that a shell expands."""
    text = program(path)
    assert parsed(assignments(dict.fromkeys(REQUIRED.findall(text), NASTY)) + text, shell) == (0, "")


@pytest.mark.parametrize("path", PROGRAMS)
def test_missing_value_ends_the_program(path: str) -> None:
    """A program ends with a message before its first command if a value is not assigned."""
    text = program(path)
    for name in set(REQUIRED.findall(text)) - {"MAINPID"}:
        values = dict.fromkeys(set(REQUIRED.findall(text)) - {name}, "x")
        declarations = "\n".join(line for line in text.splitlines() if line.startswith(': "${'))
        done = subprocess.run(
            ["sh", "-s"], input=f"{assignments(values)}{declarations}\necho on", capture_output=True, text=True,
            check=False, timeout=10,
        )  # fmt: skip
        assert (done.stdout, done.returncode) == ("", 2)
        assert f"{name}: parameter" in done.stderr


def deployed(estate: Estate) -> Iterator[tuple[str, str]]:
    """Each script and program of a first deployment, by the step and the host."""
    names = frozenset(host.name for host in estate.hosts())
    authority = SeenAuthority(Bundle((ROOT,)), ROOT, "kid")
    run = Run(estate, cast("Any", None), names, known_authority=authority)
    for stage in deployment(estate):
        for step in stage.steps:
            for name in step.hosts(estate, names):
                resources = step.resources(run, estate.host(name))
                yield from _texts(resources, f"{stage.name}-{step.task.__name__}-{name}")


def _texts(resources: tuple[Resource, ...], title: str) -> Iterator[tuple[str, str]]:
    yield f"{title}-question", question(probes_of(resources))
    changes = [change for resource in resources for change in resource.changes(Observation()) if change.script]
    yield f"{title}-changes", apply_script(changes)
    files = [part for one in resources for part in (one.files if isinstance(one, Daemon) else (one,))]
    for file in files:
        if isinstance(file, File) and file.content.startswith("#!/bin/sh"):
            yield f"{title}-{Path(file.path).name}", file.content


@lru_cache(maxsize=1)
def texts() -> dict[str, str]:
    """The scripts of the example's first deployment."""
    return dict(deployed(example()))


def test_programs_of_a_deployment_parse() -> None:
    """Every question, every script of changes and every program that a first deployment writes parses in dash."""
    assert {title: said for title, text in texts().items() if (said := parsed(text, "dash")) != (0, "")} == {}


@pytest.mark.parametrize("name", ["mesh-hold", "reload-nginx", "reload-step-ca", "register-agent", "renew-"])
def test_deployment_has_programs(name: str) -> None:
    """The table above holds the programs that stay on hosts."""
    assert [title for title in texts() if f"-{name}" in title]
