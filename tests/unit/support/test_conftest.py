"""A skipped lab test fails the run if the lab is required."""

from __future__ import annotations

import pytest

from tests.support.places import ROOT

SUITE = (ROOT / "tests" / "conftest.py").read_text()

SKIPS = "import pytest\ndef test_it(): pytest.skip('no namespaces')"
SKIPS_IN_SETUP = """
import pytest
@pytest.fixture
def lab(): pytest.skip('no namespaces')
def test_it(lab): pass
"""
SKIPS_ITSELF = "import pytest\npytest.skip('no namespaces', allow_module_level=True)\ndef test_it(): pass"
LACKS_A_RECORDING = SKIPS.replace("no namespaces", "the recorded verdicts are not on this machine").replace(
    "it", "that", 1
)
RUNS = "def test_it(): pass"
FAILS_AS_KNOWN = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False"


@pytest.mark.parametrize(
    ("lab_test", "options", "status", "says"),
    [
        (SKIPS, (), 0, "1 skipped"),
        (SKIPS, ("--lab=required",), 1, "was skipped. Skipped: no namespaces"),
        (RUNS + "\n" + LACKS_A_RECORDING, ("--lab=required",), 0, "2 passed, 1 skipped"),
        (SKIPS_IN_SETUP, ("--lab=required",), 1, "was skipped. Skipped: no namespaces"),
        (SKIPS_ITSELF, ("--lab=required",), 2, "was skipped. Skipped: no namespaces"),
        (RUNS, ("--lab=required",), 0, "2 passed"),
        (FAILS_AS_KNOWN, ("--lab=required",), 0, "1 xfailed"),
        (RUNS, ("--lab=required", "-m", "not lab"), 1, "but no lab test ran"),
        (RUNS, ("-m", "not lab"), 0, "1 deselected"),
    ],
)
def test_required_means_required(
    pytester: pytest.Pytester, lab_test: str, options: tuple[str, ...], status: int, says: str
) -> None:
    """With --lab=required, a skipped test, fixture or module fails the run, and so does a run without lab tests."""
    pytester.makeconftest(SUITE)
    pytester.makeini("[pytest]\nmarkers = lab\n")
    pytester.makepyfile(test_other=RUNS)
    pytester.mkdir("system")
    (pytester.path / "system" / "test_guests.py").write_text(lab_test)
    run = pytester.runpytest_inprocess("-p", "no:fakepve", "-ra", "--strict-markers", *options)
    assert says in run.stdout.str()
    assert run.ret == status
