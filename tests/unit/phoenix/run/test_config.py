"""The runner of config.yaml, with its options; a wrong key is named together with what to write."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nornir.core.configuration import Config, LoggingConfig, RunnerConfig
from nornir.core.plugins.runners import RunnersPluginRegister
from nornir.core.task import Task
from nornir.plugins.runners import SerialRunner, ThreadedRunner

from phoenix.connections.links import Links
from phoenix.converge import Outcome
from phoenix.errors import ConfigError
from phoenix.run import Run, Stage, Step, everyone
from phoenix.run.config import configure_logging, make_runner, parse_config
from phoenix.run.record import RunRecord
from phoenix.run.runner import Runner
from phoenix.run.start import Scope, begin
from tests.support.estates import estate


class Queue(SerialRunner):
    """A runner of another package."""

    def __init__(self, retries: int = 1) -> None:
        super().__init__()
        self.retries = retries


@pytest.fixture
def queue() -> Iterator[None]:
    """Another package has registered a runner."""
    RunnersPluginRegister.register("queue", Queue)
    yield
    RunnersPluginRegister.deregister("queue")


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("plugin", "options", "workers", "kind", "state"),
    [
        ("threaded", {}, None, ThreadedRunner, {"num_workers": 20}),
        ("threaded", {"num_workers": 3}, None, ThreadedRunner, {"num_workers": 3}),
        ("threaded", {"num_workers": 3}, 8, ThreadedRunner, {"num_workers": 8}),
        ("serial", {}, None, SerialRunner, {}),
        ("queue", {"retries": 4}, None, Queue, {"retries": 4}),
    ],
)
def test_runner(plugin: str, options: dict[str, Any], workers: int | None, kind: type, state: dict[str, Any]) -> None:
    """Any registered runner is made with its options; the operator's number of workers wins."""
    runner = make_runner(RunnerConfig(plugin, options), workers)
    assert (type(runner), vars(runner)) == (kind, state)


@pytest.mark.usefixtures("queue")
def test_a_run_uses_the_runner() -> None:
    """A run takes the runner of its configuration, and the stages of a run by it reach every host."""
    config = Config(runner=RunnerConfig("queue", {"retries": 2}), logging=LoggingConfig(enabled=False))
    small, record, seen = estate(), RunRecord(), []
    targets = frozenset(host.name for host in small.hosts())
    nornir, run = begin(Links(small, {}), {}, Scope(targets, config=config))

    def work(task: Task, run: Run) -> Outcome:
        assert run.targets == targets
        seen.append(task.host.name)
        return Outcome(task.host)

    Runner(nornir, run, record, lambda _host, _record: None).take([Stage("work", (Step(work, everyone),))])
    assert isinstance(nornir.runner, Queue)
    assert (seen, record.failed) == ([host.name for host in small.live()], [])


@pytest.mark.parametrize(
    ("plugin", "options", "workers", "says"),
    [
        ("thread", {}, None, "runner.plugin: 'thread' is not installed, write threaded, serial or install the package"),
        ("serial", {}, 4, "runner.plugin: 'serial' has no option num_workers, omit --workers or write threaded"),
        ("serial", {"num_workers": 4}, None, "runner.options: .*'num_workers', 'serial' takes none"),
        ("threaded", {"workers": 4}, None, "runner.options: .*'workers', 'threaded' takes num_workers"),
        (
            "threaded",
            {"num_workers": "many"},
            None,
            "runner.options.num_workers: 'many' is not a number, write one",
        ),
        ("threaded", {"num_workers": 0}, None, "runner.options.num_workers: 0 is not a number, write one from 1 on"),
    ],
)
def test_wrong_runner(plugin: str, options: dict[str, Any], workers: int | None, says: str) -> None:
    """A runner that cannot be made is refused with its key and what to write."""
    with pytest.raises(ConfigError, match=says):
        make_runner(RunnerConfig(plugin, options), workers)


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"runner": {"plugins": "serial"}}, "runner.plugins: unknown key, write one of options, plugin"),
        ({"runner": {"options": [16]}}, r"runner.options: \[16\] is not of type dict, write a dict"),
        ({"logging": {"enabled": "no"}}, "logging.enabled: 'no' is not of type bool, write a bool"),
        ({"logging": None}, "logging: is not a mapping, write keys and values below it or remove it"),
        ({"workers": {}}, "workers: unknown section, write one of inventory, ssh, logging"),
    ],
)
def test_wrong_section(sections: dict[str, Any], says: str) -> None:
    """A wrong key or value is refused with its place and what to write."""
    with pytest.raises(ConfigError, match=says):
        parse_config(sections)


def test_free_section() -> None:
    """The user's own section may hold anything."""
    assert parse_config({"user_defined": {"site": "home"}}).user_defined == {"site": "home"}


def log_config(file: Path, level: str) -> LoggingConfig:
    """A log of one logger."""
    return LoggingConfig(
        enabled=True, level=level, log_file=str(file), format="%(message)s", to_console=False, loggers=["phoenix.test"]
    )


# pytest has handlers of its own at the root logger, which Nornir warns of.
@pytest.mark.filterwarnings("ignore::nornir.core.exceptions.ConflictingConfigurationWarning")
def test_logging_as_nornir_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An enabled log is written to its file at its level; a level that does not exist is refused."""
    monkeypatch.setattr(logging.Logger, "hasHandlers", lambda logger: bool(logger.handlers))
    logger = logging.getLogger("phoenix.test")
    configure_logging(log_config(tmp_path / "log", "INFO"))
    logger.info("a line")
    logger.debug("no line")
    for handler in logger.handlers:
        handler.close()
    assert (tmp_path / "log").read_text() == "a line\n"
    with pytest.raises(ConfigError, match="logging: Unknown level: 'LOUD'"):
        configure_logging(log_config(tmp_path / "log", "LOUD"))
