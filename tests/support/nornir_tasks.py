"""Nornir's task as our tasks see it: the host's name, and whether the run is a dry run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from nornir.core.task import Task


def on_host(name: str, *, dry_run: bool = False) -> Task:
    """A task on a host; as in Nornir, what a call passes as `dry_run` wins over the run's own."""

    def is_dry_run(override: bool | None) -> bool:  # noqa: FBT001  # Nornir's own signature
        return dry_run if override is None else override

    return cast("Task", SimpleNamespace(host=SimpleNamespace(name=name), is_dry_run=is_dry_run))
