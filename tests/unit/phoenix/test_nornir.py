"""`open_run` for scripts: what it refuses before it connects, and programs that are looked up late."""

from __future__ import annotations

from pathlib import Path

import pytest
from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.plugins.runners import SerialRunner

from phoenix import nornir as script
from phoenix.artifacts.store import Artifact
from phoenix.connections import shared
from phoenix.connections.access import AccessError
from phoenix.errors import TaskFailedError
from phoenix.estate.plugin import PhoenixInventory
from phoenix.nornir import open_run
from tests.support.inventories import EXAMPLE


def nornir(inventory: Inventory | None = None) -> Nornir:
    """Nornir on the example inventory, or another."""
    loaded = inventory or PhoenixInventory(str(EXAMPLE)).load()
    return Nornir(inventory=loaded, runner=SerialRunner(), config=Config(), data=GlobalState(dry_run=True))


@pytest.fixture(autouse=True)
def no_access(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no access file."""
    monkeypatch.setenv("PHOENIX_ACCESS", str(tmp_path / "none.yaml"))


def test_no_host() -> None:
    """A filter that selects no host is an error, and not a run that did its work."""
    with (
        pytest.raises(TaskFailedError, match="no host is selected: correct the filter"),
        open_run(nornir().filter(name="nobody")),
    ):
        pass


def test_another_inventory() -> None:
    """Hosts of another inventory plugin are refused with what to write."""
    hosts = Hosts({"web": Host("web")})
    with (
        pytest.raises(TaskFailedError, match="not of the inventory plugin phoenix_inventory"),
        open_run(nornir(Inventory(hosts))),
    ):
        pass


def test_no_access_file() -> None:
    """Without an access file the run is not opened, and no connection is left behind."""
    with pytest.raises(AccessError, match=r"none\.yaml does not exist"), open_run(nornir()):
        pass
    assert shared._shared == {}


@pytest.mark.parametrize(("dry_run", "wanted"), [(True, ["cached"]), (False, ["obtained"])])
def test_programs_are_looked_up_late(monkeypatch: pytest.MonkeyPatch, dry_run: bool, wanted: list[str]) -> None:  # noqa: FBT001  # a column of the table
    """Programs are looked up when a task asks for one, once; a dry run takes those of the cache."""
    asked: list[str] = []

    def note(source: str) -> dict[str, Artifact]:
        asked.append(source)
        return {}

    monkeypatch.setattr(script, "cached", lambda: note("cached"))
    monkeypatch.setattr(script, "obtain_all", lambda: note("obtained"))
    programs = script._Programs(dry_run=dry_run)
    assert asked == []
    assert (programs.get("step"), len(programs), list(programs)) == (None, 0, [])
    assert asked == wanted
