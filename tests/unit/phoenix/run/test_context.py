"""The state of a run: the CA, sessions, and the guests that exist."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.derive.ownership import owner_tag
from phoenix.errors import TaskFailedError
from phoenix.pve.guests import GuestStatus
from phoenix.run.context import Consent
from phoenix.run.guests import ObservedGuests
from tests.support.estate_ca import AUTHORITY
from tests.support.estates import estate, guest
from tests.support.runs import planning_run

APP = guest("app", 20, "lxc")
SMALL = estate(APP)


class CountingLinks:
    """Links that record the opened shells and the dropped connections."""

    def __init__(self) -> None:
        self.shells: list[str] = []
        self.forgotten: list[str] = []

    def shell(self, name: str) -> Any:
        """Open a shell."""
        self.shells.append(name)
        return SimpleNamespace(name=name)

    def forget(self, name: str) -> None:
        """Drop a connection."""
        self.forgotten.append(name)


def test_authority_is_required() -> None:
    """Before the CA was observed, its use is an error that says what to do; afterward it is returned."""
    run = planning_run(SMALL)
    with pytest.raises(TaskFailedError, match="root certificate is not known: deploy the CA first"):
        _ = run.authority
    run.known_authority = AUTHORITY
    assert run.authority is AUTHORITY


def test_session_is_kept() -> None:
    """A host has one session in a run; its round trips are counted under its name."""
    links = CountingLinks()
    run = planning_run(SMALL, links=links)
    session = run.session("pve")
    session.round_trips = 3
    assert run.session("pve") is session
    assert links.shells == ["pve"]
    assert run.round_trips() == {"pve": 3}


def test_session_of_a_guest_that_starts() -> None:
    """A guest that does not run has a session without a shell, and gets a shell once it runs."""
    links = CountingLinks()
    run = planning_run(SMALL, links=links)
    assert run.session("app").shell is None
    run.guests.note(APP, "running")
    assert run.session("app").shell is not None
    run.guests.note(APP, "stopped")
    assert run.session("app").shell is not None
    assert links.shells == ["app"]


def test_machine_to_adopt() -> None:
    """A machine of another owner is entered once it is adopted: before, it does not know the controller's key."""
    box = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None)
    links = CountingLinks()
    run = planning_run(estate(box), links=links)
    run.consent = Consent(adopted=frozenset({"box"}))
    run.guests.note(box, "running")
    session = run.session("box")
    assert session.shell is None
    assert session.plan([]) == ()
    run.guests.claim(box.vmid, owner_tag(run.estate, box.vmid))
    assert run.session("box").shell is not None


def test_dropped_session() -> None:
    """A restarted host loses its session and its connection."""
    links = CountingLinks()
    run = planning_run(SMALL, links=links)
    before = run.session("pve")
    run.drop_session("pve")
    assert run.session("pve") is not before
    assert links.forgotten == ["pve"]
    run.drop_session("app")


def test_unknown_guest() -> None:
    """A guest that was never listed does not exist and does not run."""
    observed = ObservedGuests()
    assert (120 in observed, observed.status(120), observed.is_running(120)) == (False, None, False)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ((), GuestStatus(120, "app", "lxc", "stopped")),
        (
            (GuestStatus(120, "old", "lxc", "running", ("own",)),),
            GuestStatus(120, "app", "lxc", "stopped", ("own",)),
        ),
    ],
)
def test_noted_guest(known: tuple[GuestStatus, ...], expected: GuestStatus) -> None:
    """A machine that a task created or stopped is recorded by its inventory name; its other fields are kept."""
    observed = ObservedGuests(known)
    observed.note(APP, "stopped")
    assert observed.status(120) == expected


def test_learned_and_forgotten() -> None:
    """A later list replaces the status of its guests; a removed guest can be forgotten more than once."""
    observed = ObservedGuests((GuestStatus(120, "app", "lxc", "stopped"), GuestStatus(121, "b", "lxc", "running")))
    observed.learn([GuestStatus(120, "app", "lxc", "running")])
    assert (observed.is_running(120), observed.is_running(121)) == (True, True)
    observed.forget(120)
    observed.forget(120)
    assert (120 in observed, 121 in observed) == (False, True)
