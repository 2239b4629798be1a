"""One lab for all tests, with the estate deployed once; brought down at the end if it was not up before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.warm import warm

PASSPHRASE = "a passphrase of the tests"


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runbooks start at once."""
    with warm(tmp_path_factory.mktemp("warm")):
        yield


@pytest.fixture(scope="session")
def lab_up(loaded: None) -> Iterator[None]:  # noqa: ARG001  # pytest's way to say what comes before
    """A lab that runs."""
    was_up = bench.lab("status")[0] == 0
    status, output = bench.lab("up", limit=280)
    assert status == 0, output
    yield
    if not was_up:
        status, output = bench.lab("down")
        assert status == 0, output


@pytest.fixture(scope="session")
def first_deployment(lab_up: None) -> bench.Deployed:  # noqa: ARG001  # pytest's way to say what comes before
    """The whole estate deployed, and what that run said."""
    deployed = bench.deploy()
    assert deployed.status == 0, deployed.output
    bench.give_client_the_root()
    return deployed


@pytest.fixture
def estate(first_deployment: bench.Deployed) -> None:
    """The deployed estate; what a test breaks in it, the test itself has mended at its end."""


@pytest.fixture
def root_for_the_client() -> Iterator[None]:
    """The client has the root that holds, after each test, whatever became of it."""
    yield
    bench.give_client_the_root()


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a sealed file may go, with the passphrase in a file that the environment names."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n", "utf-8")
    monkeypatch.setenv("PHOENIX_PASSPHRASE_FILE", str(passphrase))
    return tmp_path / "sealed.age"


@pytest.fixture
def kept() -> Iterator[None]:
    """The authority's state is put aside, and back in its place if a test did not bring it back."""
    bench.sh("pve", f"rm -rf /root/kept && cp -a {bench.CA_DIRECTORY} /root/kept")
    yield
    if bench.inside("pve", f"diff -rq --exclude=db --exclude=config /root/kept {bench.CA_DIRECTORY}")[0]:
        back = f"find {bench.CA_DIRECTORY} -mindepth 1 -delete; cp -a /root/kept/. {bench.CA_DIRECTORY}/"
        bench.sh("pve", back)
        bench.sh("step-ca", "systemctl restart step-ca")
    bench.sh("pve", "rm -rf /root/kept")
