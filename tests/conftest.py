"""What every test run shares: the marker `lab`, and `--lab=required`, under which none may be skipped."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

LAB_TESTS = Path(__file__).parent / "system"
LAB_TIMEOUT = 300  # seconds; the first one may have to start the lab
RECORDINGS = "recorded verdicts are not on this machine"
"""What a test says that lacks a recording, not the lab: the one reason for which a lab test may be skipped."""
RAN = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --lab."""
    parser.addoption(
        "--lab",
        choices=("auto", "required"),
        default="auto",
        help="required: a skipped lab test is a failure, and so is a run without any (default: auto)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start counting the lab tests that ran."""
    config.stash[RAN] = 0


@pytest.hookimpl(tryfirst=True)  # before -m deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything below tests/system, and give it the time that real guests need."""
    for item in items:
        if item.path.is_relative_to(LAB_TESTS):
            item.add_marker("lab")
        if item.get_closest_marker("lab") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LAB_TIMEOUT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a lab test that ran; where the lab is required, make a skip a failure."""
    report = yield
    if item.get_closest_marker("lab"):
        if report.when == "call" and (not report.skipped or hasattr(report, "wasxfail")):
            item.config.stash[RAN] += 1
        _refuse_skip(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Where the lab is required, make a lab module that skips itself a failure."""
    report = yield
    if collector.path.is_relative_to(LAB_TESTS):
        _refuse_skip(report, collector.config)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("lab") == "required":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if RECORDINGS in reason:
            return
        report.outcome = "failed"
        report.longrepr = f"--lab=required, but a lab test was skipped. {reason}"


def _lab_was_left_out(config: pytest.Config) -> bool:
    wanted = config.getoption("lab") == "required" and not config.getoption("collectonly")
    return wanted and config.stash[RAN] == 0


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where the lab is required, fail a run in which no lab test ran at all."""
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and _lab_was_left_out(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run without lab tests failed."""
    if _lab_was_left_out(terminalreporter.config):
        terminalreporter.write_line("ERROR --lab=required, but no lab test ran", red=True)
