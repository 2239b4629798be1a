"""Stages on hosts: their selection, their order, and the effect of a failure."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from nornir.core.task import Task

from phoenix.connections import waits
from phoenix.connections.links import Links
from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.converge import ApplyError, Change, Outcome, PartialFailureError
from phoenix.errors import TaskFailedError
from phoenix.run import Run, Stage, Step, everyone, group, guests, guests_in, hypervisors
from phoenix.run.record import RunRecord, TaskRecord
from phoenix.run.runner import Runner
from phoenix.run.selectors import AnyHost, Selector
from phoenix.run.start import Scope, begin
from tests.support.estates import estate, guest

SMALL = estate(
    guest("app", 20, "lxc", depends_on=("mesh",)),
    guest("more", 21, "lxc", depends_on=("app",)),
    guest("free", 22, "lxc"),
)
ALL_HOSTS = ("pve", "ca", "edge", "mesh", "app", "more", "free")


class Log:
    """Record the steps that ran on each host; raise the given failures."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.lines: list[str] = []
        self.announced: list[tuple[str, TaskRecord]] = []

    def step(self, name: str, on: Selector[AnyHost] = everyone, changes: int = 0) -> Step:
        """Create a step that records itself; the keys of `failures` are `host` or `host_step`."""

        def work(task: Task, run: Run) -> Outcome:
            assert run.estate is SMALL
            host = task.host.name
            self.lines.append(f"{host} {name}")
            if failure := self.failures.get(f"{host}_{name}", self.failures.get(host)):
                raise failure
            return Outcome(task.host, (Change(f"{n}", "update") for n in range(changes)))

        work.__name__ = name
        return Step(work, on)

    def take(self, *stages: Stage, targets: tuple[str, ...] = ALL_HOSTS) -> RunRecord:
        """Run the stages."""
        record = RunRecord()
        nornir, run = begin(Links(SMALL, {}), {}, Scope(frozenset(targets), workers=8))
        Runner(nornir, run, record, lambda host, task: self.announced.append((host, task))).take(stages)
        return record


def test_a_stage_ends_before_the_next_starts() -> None:
    """All hosts finish a stage before the next one starts; the steps of a host keep their order."""
    log = Log()
    log.take(Stage("one", (log.step("a"), log.step("b"))), Stage("two", (log.step("c"),)))
    assert {line.split()[1] for line in log.lines[:14]} == {"a", "b"}
    assert sorted(log.lines[14:]) == sorted(f"{host} c" for host in ALL_HOSTS)
    assert all(log.lines.index(f"{host} a") < log.lines.index(f"{host} b") for host in ALL_HOSTS)


def test_hosts_run_in_parallel() -> None:
    """The hosts of a stage run a step at the same time."""
    barrier = threading.Barrier(3, timeout=10)

    def wait(task: Task, run: Run) -> Outcome:
        assert run.estate is SMALL
        barrier.wait()
        return Outcome(task.host)

    record = Log().take(Stage("wait", (Step(wait, group("step_ca", "nginx", "traefik")),)))
    assert record.failed == []


def test_a_failure_excludes_dependents() -> None:
    """A failed host runs no further step; hosts that depend on it are left out; the others continue."""
    log = Log(mesh_a=TaskFailedError("no room"))
    record = log.take(Stage("one", (log.step("a"), log.step("b"))), Stage("two", (log.step("c"),)))
    assert sorted(line for line in log.lines if line.endswith("c")) == ["ca c", "edge c", "free c", "pve c"]
    assert "mesh b" not in log.lines
    errors = {host: task.error for host, tasks in record.hosts.items() for task in tasks if task.error}
    assert errors == {
        "mesh": "no room",
        "app": "left out: it depends on mesh, which failed",
        "more": "left out: it depends on app, which failed",
    }
    assert sorted(record.failed) == ["app", "mesh", "more"]


def test_a_hypervisor_excludes_its_guests() -> None:
    """After a failure of a hypervisor, all of its guests are left out."""
    log = Log(pve=ConnectionFailedError("pve: refused"))
    record = log.take(Stage("one", (log.step("a", hypervisors),)), Stage("two", (log.step("b", guests),)))
    assert log.lines == ["pve a"]
    assert sorted(record.failed) == sorted(ALL_HOSTS)
    assert {task.skipped for host in ALL_HOSTS[1:] for task in record.hosts[host]} == {True}


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (TaskFailedError("do this"), "do this"),
        (ApiError("pve: 403 no", 403), "pve: 403 no"),
        (ApplyError("file failed: full"), "file failed: full"),
        (ConnectionFailedError("no answer"), "no answer"),
        (KeyError("oops"), "unexpected KeyError: 'oops'"),
        (ZeroDivisionError("hm"), "unexpected ZeroDivisionError: hm"),
    ],
)
def test_any_failure_is_one_hosts(failure: Exception, says: str) -> None:
    """Any error on a host is a line in its record, and the other hosts finish."""
    log = Log(free=failure)
    record = log.take(Stage("one", (log.step("a"),)))
    assert [task.error for task in record.hosts["free"]] == [says]
    assert record.failed == ["free"]
    assert len(log.lines) == len(ALL_HOSTS)


def test_changes_before_a_failure_count() -> None:
    """Changes that a task made before its failure are in the record."""
    failure = PartialFailureError([Change("guest", "create")], TaskFailedError("then it broke"))
    log = Log(free=failure)
    record = log.take(Stage("one", (log.step("a"),)))
    assert record.changed == 1
    assert record.errors() == {"free": "then it broke"}


def test_waits_name_their_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task waits for is announced as a wait of the task's host."""
    monkeypatch.setattr(waits, "ANNOUNCE_SECONDS", 0.02)
    links, seen = Links(SMALL, {}), []
    links.waits.announce = lambda host, text: seen.append((host, text))

    def wait(task: Task, run: Run) -> Outcome:
        with run.links.waits.waiting("a lock", 9, "pve"):
            time.sleep(0.06)
        return Outcome(task.host)

    nornir, run = begin(links, {}, Scope(frozenset(ALL_HOSTS), workers=8))
    Runner(nornir, run, RunRecord(), lambda *_: None).take([Stage("wait", (Step(wait, group("traefik")),))])
    assert ("mesh", "waits for a lock: 0 s of 9 s") in seen


def test_only_targets() -> None:
    """A run includes its targets and no other host."""
    log = Log()
    record = log.take(Stage("one", (log.step("a"),)), targets=("app", "free"))
    assert sorted(log.lines) == ["app a", "free a"]
    assert set(record.hosts) == {"app", "free"}


def test_a_step_for_guests() -> None:
    """A step for guests also runs on the hypervisor of a targeted guest; other steps do not."""
    log = Log()
    other = Step(log.step("prepare").task, hypervisors, for_guests=True)
    log.take(Stage("one", (other, log.step("own", hypervisors), log.step("a", guests))), targets=("app",))
    assert sorted(log.lines) == ["app a", "pve prepare"]


def test_everything_is_announced_and_timed() -> None:
    """Each record is announced when it is added, and each stage has its time."""
    log = Log(app=TaskFailedError("x"))
    record = log.take(Stage("one", (log.step("a", changes=2),)), Stage("two", (log.step("b"),)))
    assert sorted(host for host, _ in log.announced) == sorted(h for h, tasks in record.hosts.items() for _ in tasks)
    assert list(record.stages) == ["one", "two"]
    assert record.changed == 2 * 6


@pytest.mark.timeout(20)
def test_interrupt_between_steps() -> None:
    """After Ctrl-C, the current step ends, no other starts, and KeyboardInterrupt is raised."""
    log = Log()

    def interrupt(task: Task, run: Run) -> Outcome:
        assert run.estate is SMALL
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        log.lines.append("ended")
        return Outcome(task.host)

    before = signal.getsignal(signal.SIGINT)
    stages = (Stage("one", (Step(interrupt, hypervisors), log.step("after"))), Stage("two", (log.step("next"),)))
    with pytest.raises(KeyboardInterrupt):
        log.take(*stages, targets=("pve",))
    assert log.lines == ["ended"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (hypervisors, ("pve",)),
        (guests, ALL_HOSTS[1:]),
        (everyone, ALL_HOSTS),
        (group("traefik"), ("mesh",)),
        (group("trusted_ca", "step_ca"), ("pve", "ca", "edge", "mesh")),
        (guests_in("trusted_ca"), ("edge", "mesh")),
        (group("unknown"), ()),
    ],
)
def test_selectors(selector: Selector[AnyHost], names: tuple[str, ...]) -> None:
    """A selector returns each of its hosts once."""
    assert tuple(host.name for host in selector(SMALL)) == names
