"""Planned writes, made one after the other: each only where the list is still the one that it was planned for.

Source: Proxmox VE API, `digest`: a change that was made with another state in mind is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.converge import Change
from phoenix.errors import PhoenixError
from phoenix.pve.firewall.model.configuration import Listed
from phoenix.pve.firewall.plan.identity import comment_of, means
from phoenix.pve.firewall.plan.reconcile import Write

CHANGED_MEANWHILE = ("detected modified configuration", "no rule at position", "already exists", "no such")


class ConcurrentEditError(PhoenixError):
    """Somebody else changed the firewall since it was read; `made` are the writes before that was seen."""

    def __init__(self, message: str) -> None:
        self.made: tuple[Write, ...] = ()
        super().__init__(message)


def carry_out(api: ProxmoxClient, writes: Iterable[Write]) -> list[Write]:
    """Make the writes, and give them back; what is not as it was read ends this with a ConcurrentEditError."""
    made: list[Write] = []
    for write in writes:
        try:
            _make(api, write)
        except ConcurrentEditError as error:
            error.made = tuple(made)
            raise
        made.append(write)
    return made


def _make(api: ProxmoxClient, write: Write) -> None:
    digest = _digest(api, write) if write.before is not None else None
    fields: dict[str, Any] = dict(write.fields)
    if digest and write.method != "post":
        fields["digest"] = digest
    try:
        getattr(api, write.method)(write.path, **fields)
    except ApiError as error:
        if any(words in str(error) for words in CHANGED_MEANWHILE):
            raise ConcurrentEditError(str(error)) from None
        raise


def changes_of(writes: Iterable[Write]) -> list[Change]:
    """What writes change, for the report."""
    return [Change(write.thing, write.verb, write.reason) for write in writes]


def _digest(api: ProxmoxClient, write: Write) -> str | None:
    """The digest of a list of rules that is as it was when the write was planned."""
    rules = api.get(f"{write.place.base}/rules")
    if [_known(rule) for rule in rules] != [_known(rule) for rule in write.before or ()]:
        raise ConcurrentEditError(f"the rules of {write.place.name} are not those that were read")
    return str(rules[0]["digest"]) if rules else None


def _known(rule: Listed) -> tuple[str, ...]:
    return (*means(rule), comment_of(rule))
