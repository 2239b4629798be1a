"""Questions to the operator: accepted answers, and the end of a run after any other answer."""

from __future__ import annotations

from io import StringIO

import pytest

from phoenix.cli import passphrase
from phoenix.cli.dialogue import ask, confirm
from phoenix.pki.sealed import SealError


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Set the content of standard input."""
    monkeypatch.setattr("sys.stdin", StringIO(text))


def interrupted(*_: object) -> str:
    """Interrupt, as Ctrl-C does."""
    raise KeyboardInterrupt


def ended(*_: object) -> str:
    """End, as standard input does."""
    raise EOFError


def test_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The question is printed, and the answer is returned without surrounding blanks."""
    answer(monkeypatch, " some.zone \n")
    assert ask("Type the zone") == "some.zone"
    assert capsys.readouterr().out == "Type the zone: "


@pytest.mark.parametrize("text", ["y\n", "Y\n", "yes\n", " YES\n", "y"])
def test_yes(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """After a yes, the run continues."""
    answer(monkeypatch, text)
    confirm("Rotate?")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("n\n", "That is not a yes."),
        ("\n", "That is not a yes."),
        ("yesterday\n", "That is not a yes."),
        ("", "There is no answer."),
    ],
)
def test_no(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    """Any other answer, or none, ends with status 2 before any change."""
    answer(monkeypatch, text)
    with pytest.raises(SystemExit) as end:
        confirm("Rotate?")
    assert end.value.code == 2
    assert f"{says} No host was changed" in capsys.readouterr().err


def test_ctrl_c_at_a_question(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C at a question ends with status 130 before any change."""
    monkeypatch.setattr("builtins.input", interrupted)
    with pytest.raises(SystemExit) as end:
        confirm("Rotate?")
    assert end.value.code == 130
    assert "No host was changed" in capsys.readouterr().err


def test_no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that closes at the prompt for a passphrase is reported as a missing passphrase."""
    monkeypatch.delenv(passphrase.VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(passphrase, "getpass", ended)
    with pytest.raises(SealError, match="no passphrase was typed"):
        passphrase.read_passphrase()
