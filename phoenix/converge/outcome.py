"""The plan and the outcome of a task: values that a dry run prints, a deployment applies, and a record keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nornir.core.inventory import Host
from nornir.core.task import Result

from phoenix.converge.change import Change
from phoenix.errors import PhoenixError


@dataclass(frozen=True)
class Plan:
    """Changes in the order of their application, and notes for the operator."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


class Outcome(Result):
    """A task's Nornir result with its changes (without guards) and notes; `diff` is for people.

    `answers` are the names of routes that the task has seen to answer.
    """

    def __init__(
        self,
        host: Host | None,
        changes: Iterable[Change] = (),
        notes: Iterable[str] = (),
        answers: Iterable[str] = (),
    ) -> None:
        self.changes = tuple(change for change in changes if not change.guard)
        self.notes = tuple(notes)
        self.answers = tuple(answers)
        diff = "\n".join(change.diff or str(change) for change in self.changes)
        super().__init__(host=host, changed=bool(self.changes), diff=diff)


class PartialFailureError(PhoenixError):
    """A failure after some changes were made; `changes` are those changes, `__cause__` is the failure itself."""

    def __init__(self, changes: Iterable[Change], cause: Exception) -> None:
        self.changes = tuple(changes)
        self.__cause__ = cause
        super().__init__(str(cause))
