"""One lab for all tests, with the estate deployed once; brought down at the end if it was not up before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import bench


@pytest.fixture(scope="session")
def lab_up() -> Iterator[None]:
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
