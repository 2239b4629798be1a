"""Fixtures of the system tests: one lab for all of them, with the estate deployed once.

The lab is brought down at the end if it was not up before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.warm import warm

PASSPHRASE = "a passphrase of the tests"


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start the process that runs runbooks without loading their modules each time."""
    with warm(tmp_path_factory.mktemp("warm")):
        yield


@pytest.fixture(scope="session")
def lab_up(loaded: None) -> Iterator[None]:  # noqa: ARG001  # the fixture must run first
    """Bring the lab up."""
    was_up = bench.lab("status")[0] == 0
    status, output = bench.lab("up", limit=280)
    assert status == 0, output
    yield
    if not was_up:
        status, output = bench.lab("down")
        assert status == 0, output


@pytest.fixture(scope="session")
def first_deployment(lab_up: None) -> bench.Deployed:  # noqa: ARG001  # the fixture must run first
    """Deploy the whole estate and return that run."""
    deployed = bench.deploy()
    assert deployed.status == 0, deployed.output
    bench.give_client_the_root()
    return deployed


@pytest.fixture
def estate(first_deployment: bench.Deployed) -> None:
    """Have the estate deployed; a test repairs what it breaks."""


@pytest.fixture
def root_for_the_client() -> Iterator[None]:
    """Install the current root on the client after each test."""
    yield
    bench.give_client_the_root()


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path for a sealed file; PHOENIX_PASSPHRASE_FILE names a file with its passphrase."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n", "utf-8")
    monkeypatch.setenv("PHOENIX_PASSPHRASE_FILE", str(passphrase))
    return tmp_path / "sealed.age"


@pytest.fixture
def kept() -> Iterator[None]:
    """Back up the CA's state and restore it after a test that leaves it changed."""
    bench.sh("pve", f"rm -rf /root/kept && cp -a {bench.CA_DIRECTORY} /root/kept")
    yield
    if bench.inside("pve", f"diff -rq --exclude=db --exclude=config /root/kept {bench.CA_DIRECTORY}")[0]:
        back = f"find {bench.CA_DIRECTORY} -mindepth 1 -delete; cp -a /root/kept/. {bench.CA_DIRECTORY}/"
        bench.sh("pve", back)
        bench.sh("step-ca", "systemctl restart step-ca")
    bench.sh("pve", "rm -rf /root/kept")
