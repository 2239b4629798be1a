"""Stages on hosts: who takes them, in which order, and what a failure costs."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from nornir.core.task import Task

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
EVERYBODY = ("pve", "ca", "edge", "mesh", "app", "more", "free")


class Log:
    """Notes which step ran where; hosts that should fail do."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.lines: list[str] = []
        self.announced: list[tuple[str, TaskRecord]] = []

    def step(self, name: str, on: Selector[AnyHost] = everyone, changes: int = 0) -> Step:
        """A step that notes itself; `failures` says `host` or `host_step`."""

        def work(task: Task, run: Run) -> Outcome:
            assert run.estate is SMALL
            host = task.host.name
            self.lines.append(f"{host} {name}")
            if failure := self.failures.get(f"{host}_{name}", self.failures.get(host)):
                raise failure
            return Outcome(task.host, (Change(f"{n}", "update") for n in range(changes)))

        work.__name__ = name
        return Step(work, on)

    def take(self, *stages: Stage, targets: tuple[str, ...] = EVERYBODY) -> RunRecord:
        """Run the stages."""
        record = RunRecord()
        nornir, run = begin(Links(SMALL, {}), {}, Scope(frozenset(targets), workers=8))
        Runner(nornir, run, record, lambda host, task: self.announced.append((host, task))).take(stages)
        return record


def test_a_stage_ends_before_the_next_begins() -> None:
    """All hosts have finished a stage when the first begins the next; steps of one host keep their order."""
    log = Log()
    log.take(Stage("one", (log.step("a"), log.step("b"))), Stage("two", (log.step("c"),)))
    assert {line.split()[1] for line in log.lines[:14]} == {"a", "b"}
    assert sorted(log.lines[14:]) == sorted(f"{host} c" for host in EVERYBODY)
    assert all(log.lines.index(f"{host} a") < log.lines.index(f"{host} b") for host in EVERYBODY)


def test_hosts_work_at_the_same_time() -> None:
    """Hosts of a stage meet each other in the middle of a step."""
    meeting = threading.Barrier(3, timeout=10)

    def meet(task: Task, run: Run) -> Outcome:
        assert run.estate is SMALL
        meeting.wait()
        return Outcome(task.host)

    record = Log().take(Stage("meet", (Step(meet, group("step_ca", "nginx", "traefik")),)))
    assert record.failed == []


def test_a_failure_costs_its_dependents() -> None:
    """A failed host ends its stage and takes no other; those that depend on it are left out, the rest go on."""
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


def test_a_hypervisor_costs_all_its_guests() -> None:
    """Without their hypervisor no guest is tried."""
    log = Log(pve=ConnectionFailedError("pve: refused"))
    record = log.take(Stage("one", (log.step("a", hypervisors),)), Stage("two", (log.step("b", guests),)))
    assert log.lines == ["pve a"]
    assert sorted(record.failed) == sorted(EVERYBODY)
    assert {task.skipped for host in EVERYBODY[1:] for task in record.hosts[host]} == {True}


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
    """Whatever goes wrong on a host is a line in its record, and the other hosts finish."""
    log = Log(free=failure)
    record = log.take(Stage("one", (log.step("a"),)))
    assert [task.error for task in record.hosts["free"]] == [says]
    assert record.failed == ["free"]
    assert len(log.lines) == len(EVERYBODY)


def test_changes_before_a_failure_count() -> None:
    """What a task had changed before it failed is in the record."""
    failure = PartialFailureError([Change("guest", "create")], TaskFailedError("then it broke"))
    log = Log(free=failure)
    record = log.take(Stage("one", (log.step("a"),)))
    assert record.changed == 1
    assert record.errors() == {"free": "then it broke"}


def test_only_targets() -> None:
    """A run touches its targets and nobody else."""
    log = Log()
    record = log.take(Stage("one", (log.step("a"),)), targets=("app", "free"))
    assert sorted(log.lines) == ["app a", "free a"]
    assert set(record.hosts) == {"app", "free"}


def test_a_run_on_a_guest_asks_its_hypervisor() -> None:
    """A step for others runs on the hypervisor of a targeted guest as well, and only such a step."""
    log = Log()
    other = Step(log.step("prepare").task, hypervisors, for_guests=True)
    log.take(Stage("one", (other, log.step("own", hypervisors), log.step("a", guests))), targets=("app",))
    assert sorted(log.lines) == ["app a", "pve prepare"]


def test_everything_is_announced_and_timed() -> None:
    """Each record is announced as it is made, and each stage has its time."""
    log = Log(app=TaskFailedError("x"))
    record = log.take(Stage("one", (log.step("a", changes=2),)), Stage("two", (log.step("b"),)))
    assert sorted(host for host, _ in log.announced) == sorted(h for h, tasks in record.hosts.items() for _ in tasks)
    assert list(record.stages) == ["one", "two"]
    assert record.changed == 2 * 6


@pytest.mark.timeout(20)
def test_interrupt_between_steps() -> None:
    """Ctrl-C lets the step that has begun end, begins no other, and is told to the caller."""
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
        (guests, EVERYBODY[1:]),
        (everyone, EVERYBODY),
        (group("traefik"), ("mesh",)),
        (group("trusted_ca", "step_ca"), ("pve", "ca", "edge", "mesh")),
        (guests_in("trusted_ca"), ("edge", "mesh")),
        (group("nobody"), ()),
    ],
)
def test_selectors(selector: Selector[AnyHost], names: tuple[str, ...]) -> None:
    """Selectors name hosts, each once."""
    assert tuple(host.name for host in selector(SMALL)) == names
