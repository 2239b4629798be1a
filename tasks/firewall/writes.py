"""Make planned writes one by one, each only if the list of rules is the one that the plan expects.

Source: Proxmox VE API, `digest`: the API refuses a change that was made for another state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.converge import Change
from phoenix.errors import PhoenixError
from phoenix.pve.firewall.model.configuration import ListedRule
from phoenix.pve.firewall.plan.identity import comment_of, meaning_of
from phoenix.pve.firewall.plan.level import Write

CHANGED_MEANWHILE = ("detected modified configuration", "no rule at position", "already exists", "no such")


class ConcurrentEditError(PhoenixError):
    """The firewall was changed concurrently since it was read; `made` are the writes made before that was noticed."""

    def __init__(self, message: str, made: Iterable[Write] = ()) -> None:
        self.made = tuple(made)
        super().__init__(message)


def carry_out(api: ProxmoxClient, writes: Iterable[Write]) -> list[Write]:
    """Make the writes and return them; raises ConcurrentEditError if the configuration is not the one that was read."""
    made: list[Write] = []
    for write in writes:
        try:
            _make(api, write)
        except ConcurrentEditError as error:
            raise ConcurrentEditError(str(error), made) from error
        made.append(write)
    return made


def _make(api: ProxmoxClient, write: Write) -> None:
    digest = _digest(api, write) if write.expected is not None else None
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
    """The changes that writes make, for the report."""
    return [Change(write.title, write.verb, write.reason) for write in writes]


def _digest(api: ProxmoxClient, write: Write) -> str | None:
    """The digest of a list of rules, after checking that it is the one that the plan expects."""
    rules = api.get(f"{write.level.base}/rules")
    if [_known(rule) for rule in rules] != [_known(rule) for rule in write.expected or ()]:
        raise ConcurrentEditError(f"the rules of {write.level.name} are not those that were read")
    return str(rules[0]["digest"]) if rules else None


def _known(rule: ListedRule) -> tuple[str, ...]:
    return (*meaning_of(rule), comment_of(rule))
