"""Hints name commands in the form in which the user started Phoenix."""

from __future__ import annotations

import sys

import pytest

from phoenix.cli.invocation import command, program

ROTATE = ("rotate", "--root")


@pytest.mark.parametrize(
    ("started", "active", "hint", "usage"),
    [
        ("/usr/bin/phoenix", False, "phoenix rotate --root", "phoenix rotate"),
        ("/estate/.venv/bin/phoenix", True, "phoenix rotate --root", "phoenix rotate"),
        ("runbooks/deploy.py", True, "python runbooks/rotate.py --root", "rotate.py"),
        ("/phoenix/runbooks/deploy.py", False, ".venv/bin/python runbooks/rotate.py --root", "rotate.py"),
        ("/phoenix/runbooks/__main__.py", True, "phoenix rotate --root", "phoenix rotate"),
        ("/home/operator/push.py", True, "phoenix rotate --root", "phoenix rotate"),
    ],
)
def test_form(monkeypatch: pytest.MonkeyPatch, started: str, active: bool, hint: str, usage: str) -> None:  # noqa: FBT001  # a column of the table
    """A runbook's file is named only to a user who started one; all others read `phoenix`."""
    monkeypatch.setattr(sys, "argv", [started])
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    if active:
        monkeypatch.setenv("VIRTUAL_ENV", "/estate/.venv")
    assert (command(*ROTATE), program("rotate")) == (hint, usage)


def test_quoting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint can be copied into a shell."""
    monkeypatch.setattr(sys, "argv", ["phoenix"])
    assert command("deploy", "--inventory", "my estate") == "phoenix deploy --inventory 'my estate'"
