"""The arguments of a command line → the options of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.cli.arguments import COMMON, Arguments, options
from phoenix.cli.request import Options


def parser() -> Arguments:
    """Create a parser with all common options, as most runbooks have."""
    made = Arguments(description="First.\n\n    Last.")
    made.flag("--lab", "Here.")
    made.common(*COMMON)
    return made


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("", Options()),
        ("--lab --dry-run --diff", Options(lab=True, dry_run=True, diff=True)),
        ("--inventory here --json record.json", Options(Path("here"), json=Path("record.json"))),
        ("--target traefik --target 103,ollama", Options(targets=("traefik", "103,ollama"))),
        ("--target=knd=vm", Options(targets=("knd=vm",))),
        ("--workers 1", Options(workers=1)),
        ("--workers=256", Options(workers=256)),
    ],
)
def test_common_options(words: str, wanted: Options) -> None:
    """Each common option sets its field of the options of a run, in both notations."""
    assert options(parser().parse_args(words.split())) == wanted


def test_missing_options_keep_their_default() -> None:
    """An option that a runbook does not have keeps its default."""
    few = Arguments(description=None)
    few.common("--diff")
    assert options(few.parse_args(["--diff"])) == Options(diff=True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--workers 0", "--workers: '0' is not a number from 1 to 256"),
        ("--workers 257", "--workers: '257' is not a number from 1 to 256"),
        ("--workers=-1", "--workers: '-1' is not a number from 1 to 256"),
        ("--workers many", "--workers: 'many' is not a number from 1 to 256"),
        ("--dry", "unrecognized arguments: --dry"),
        ("--target", "--target: expected one argument"),
        ("--lab=yes", "--lab: ignored explicit argument 'yes'"),
        ("surplus", "unrecognized arguments: surplus"),
    ],
)
def test_wrong_words(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument, including an abbreviated option, is reported with status 2."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words.split())
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_help_starts_with_the_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first paragraph of a description comes before the options, the rest after them."""
    monkeypatch.setenv("COLUMNS", "100")
    text = parser().format_help()
    assert text.index("First.") < text.index("--inventory DIR  The inventory.") < text.index("Last.")
