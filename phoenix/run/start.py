"""Begins a run: Nornir with our inventory and connections, and a `Run` that holds what the tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nornir.core import Nornir
from nornir.core.configuration import Config, LoggingConfig
from nornir.core.inventory import ConnectionOptions, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.state import GlobalState
from nornir.plugins.runners import ThreadedRunner

from phoenix.connections.links import Links
from phoenix.connections.plugin import SharedConnection
from phoenix.estate.plugin import as_nornir
from phoenix.run.context import Run

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


@dataclass(frozen=True)
class Scope:
    """How far a run goes: the hosts it may touch, whether it may change anything, and how many hosts at once.

    `inventory` is the folder that says so.
    """

    targets: frozenset[str]
    dry_run: bool = False
    workers: int = 16
    inventory: Path | None = None


def begin(links: Links, artifacts: Mapping[str, Artifact], scope: Scope) -> tuple[Nornir, Run]:
    """Give Nornir and the run's context; who made the links closes them."""
    run = Run(links.estate, links, scope.targets, artifacts, scope.inventory)
    nornir = Nornir(
        inventory=_connected(as_nornir(links.estate), run),
        runner=ThreadedRunner(num_workers=scope.workers),
        config=Config(logging=LoggingConfig(enabled=False)),
        data=GlobalState(dry_run=scope.dry_run),
    )
    return nornir, run


def _connected(inventory: Inventory, run: Run) -> Inventory:
    ConnectionPluginRegister.register("phoenix_host", SharedConnection)
    for name, host in inventory.hosts.items():
        host.connection_options["phoenix_host"] = ConnectionOptions(extras={"make": partial(run.session, name)})
    return inventory
