"""Begins a run: Nornir with our inventory and connections, and a `Run` that holds what the tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nornir.core import Nornir
from nornir.core.configuration import Config, LoggingConfig
from nornir.core.inventory import ConnectionOptions, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.state import GlobalState

from phoenix.connections.links import Links
from phoenix.connections.plugin import SharedConnection
from phoenix.estate.plugin import CONNECTION, as_nornir
from phoenix.run.config import configure_logging, make_runner
from phoenix.run.context import Consent, Run

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


def _quiet() -> Config:
    return Config(logging=LoggingConfig(enabled=False))


@dataclass(frozen=True)
class Scope:
    """How far a run goes: the hosts it may touch, whether it may change anything, and how it uses Nornir.

    `workers` is the number of hosts at the same time, None for that of `config`. `inventory` is the folder that the
    estate was read from.
    """

    targets: frozenset[str]
    dry_run: bool = False
    workers: int | None = None
    inventory: Path | None = None
    consent: Consent = field(default_factory=Consent)
    config: Config = field(default_factory=_quiet)


def begin(links: Links, artifacts: Mapping[str, Artifact], scope: Scope) -> tuple[Nornir, Run]:
    """Make Nornir and the run's context; the caller closes the links. ConfigError names a wrong key of the config."""
    configure_logging(scope.config.logging)
    run = Run(links.estate, links, scope.targets, artifacts, scope.inventory, scope.consent)
    nornir = Nornir(
        inventory=_connected(as_nornir(links.estate), links),
        runner=make_runner(scope.config.runner, scope.workers),
        config=scope.config,
        data=GlobalState(dry_run=scope.dry_run),
    )
    return nornir, run


def _connected(inventory: Inventory, links: Links) -> Inventory:
    """Let `get_connection` use the connections of the run."""
    ConnectionPluginRegister.register(CONNECTION, SharedConnection)
    for name, host in inventory.hosts.items():
        host.connection_options[CONNECTION] = ConnectionOptions(extras={"host": name, "links": links})
    return inventory
