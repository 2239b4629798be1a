"""Phoenix's tasks in scripts of Nornir users: the `run` that they take (docs/nornir.md).

InitNornir(config.yaml) → `open_run` → `nornir.run(task=push_trust, run=run)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from nornir.core import Nornir

from phoenix.artifacts.obtain import cached, obtain_all
from phoenix.artifacts.store import Artifact
from phoenix.connections.shared import shared_links
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.estate.plugin import CONNECTION
from phoenix.estate.target import hypervisors_of
from phoenix.run import Run
from phoenix.run.start import Scope, begin
from phoenix.tasks.hosts.preflight import check_access


@contextmanager
def open_run(nornir: Nornir) -> Iterator[Run]:
    """Open a run on the hosts of `nornir`, after a preflight of their hypervisors. Its connections end with the block.

    Raises TaskFailedError with the findings of the preflight, AccessError for an invalid access file.
    """
    estate, targets = _estate(nornir), frozenset(nornir.inventory.hosts)
    with shared_links(estate) as links:
        own, run = begin(links, _Programs(dry_run=nornir.data.dry_run), Scope(targets))
        _preflight(own, run)
        yield run


def _estate(nornir: Nornir) -> Estate:
    hosts = nornir.inventory.hosts.values()
    if not hosts:
        raise TaskFailedError("no host is selected: correct the filter")
    for host in hosts:
        options = host.connection_options.get(CONNECTION)
        estate = options.extras.get("estate") if options and options.extras else None
        if isinstance(estate, Estate):
            return estate
    raise TaskFailedError("the hosts are not of the inventory plugin phoenix_inventory: write it into config.yaml")


def _preflight(nornir: Nornir, run: Run) -> None:
    """Check the hypervisors; the run learns from them which guests run, and what the authority publishes."""
    needed = run.targets | hypervisors_of(run.estate, run.targets)
    names = {hypervisor.name for hypervisor in run.estate.hypervisors} & needed
    chosen = nornir.filter(filter_func=lambda host: host.name in names)
    results = chosen.run(task=check_access, run=run)
    if results.failed:
        raise TaskFailedError("\n".join(str(result.exception) for result in results.failed_hosts.values()))


class _Programs(Mapping[str, Artifact]):
    """The pinned programs by name, looked up when a task first asks for one; a dry run obtains none."""

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run

    @cached_property
    def _found(self) -> Mapping[str, Artifact]:
        return cached() if self._dry_run else obtain_all()

    def __getitem__(self, name: str) -> Artifact:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
