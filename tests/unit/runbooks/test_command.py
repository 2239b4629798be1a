"""The command `phoenix`: every runbook is a subcommand, `--help` loads little, and shells complete it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import phoenix
from phoenix.cli.arguments import Arguments
from phoenix.runbooks import __main__ as command
from phoenix.runbooks.__main__ import COMMANDS, main, runbook
from phoenix.runbooks.completion import SHELLS
from phoenix.runbooks.completion import main as complete
from tests.support.places import ROOT

HEAVY = ("paramiko", "nornir", "cryptography", "pydantic", "requests", "proxmoxer", "rich", "ruamel", "jinja2")
LOADED = """
import json, sys
from phoenix.runbooks.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""
COMPLETE = """
source /dev/stdin
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p phoenix | sed 's/.*-F \\([^ ]*\\).*/\\1/') phoenix
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_every_runbook_is_a_command() -> None:
    """Each file of runbooks/ is a command with a sentence, and has a parser of its own."""
    assert set(COMMANDS) == {path.stem for path in ROOT.glob("runbooks/[a-z]*.py")}
    assert [sentence for sentence in COMMANDS.values() if not sentence.endswith(".")] == []
    assert [name for name in COMMANDS if not isinstance(runbook(name).parser(), Arguments)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_arguments_reach_the_runbook(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's words go to its runbook as they are, and the runbook's status is the command's."""

    def run(words: Sequence[str] | None) -> int:
        assert words == ["--some", "--", "word"]
        return 7

    monkeypatch.setattr(command, "run_command", lambda given, words: given(words))
    monkeypatch.setattr(runbook(name), "main", run)
    assert main([name, "--some", "--", "word"]) == 7


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--version"], 0, f"phoenix {phoenix.__version__}\n"),
        (["--help"], 0, "deploy"),
        ([], 2, "the following arguments are required: COMMAND"),
        (["deplay"], 2, "invalid choice: 'deplay'"),
        (["--lab"], 2, "required: COMMAND"),
    ],
)
def test_without_a_command(words: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help and version are printed; anything else is refused with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == status
    assert says in "".join(capsys.readouterr())


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help has each command with its sentence."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert [name for name, sentence in COMMANDS.items() if f" {name} {sentence}" not in text] == []


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_help_loads_little(words: tuple[str, ...]) -> None:
    """The parser answers --help before any library is loaded, and before any other runbook."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words, "--help"], check=True, capture_output=True, text=True, timeout=20
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in HEAVY if name in loaded] == []
    runbooks = {name for name in loaded if name.startswith("phoenix.runbooks.")}
    assert runbooks == {"phoenix.runbooks.__main__", *(f"phoenix.runbooks.{name}" for name in words)}


def test_script_and_command_run_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    """A runbook's file prints what the command prints, under the name by which it was started."""
    script = [sys.executable, "runbooks/revoke.py", "--help"]
    installed = [sys.executable, "-m", "phoenix.runbooks", "revoke", "--help"]
    for started in (script, installed):
        subprocess.run(started, check=True, cwd=ROOT, timeout=20)
    first, second = capfd.readouterr().out.split("usage: ")[1:]
    assert (first.split()[0], second.split()[:2]) == ("revoke.py", ["phoenix", "revoke"])
    assert first.split("\n\n", 1)[1] == second.split("\n\n", 1)[1]


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """Each shell."""
    return str(request.param)


def script_of(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The completion of a shell."""
    assert complete([shell]) == 0
    return capsys.readouterr().out


def test_completion_knows_every_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell's completion is a program that the shell can read, and has every option of every command."""
    script = script_of(shell, capsys)
    options = {option for name in COMMANDS for option in runbook(name).parser()._option_string_actions}
    assert [option for option in options if option not in script] == []
    if path := shutil.which(shell):
        subprocess.run([path, "-n"], input=script, text=True, check=True, timeout=20)


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (("dep",), {"deploy"}),
        (("deploy", "--res"), {"--reset-ca"}),
        (("authority", "root-"), {"root-offline", "root-online"}),
        (("lab", "st"), {"status"}),
        (("audit", "--format", ""), {"table", "json", "csv"}),
        (("deploy", "--inventory", "inv"), {"inventory"}),
        (("authority", "restore", "LIC"), {"LICENSE"}),
    ],
)
def test_bash_completes(words: tuple[str, ...], offers: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Bash offers commands, their options, choices, directories and files."""
    done = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", "phoenix", *words],
        input=script_of("bash", capsys),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=20,
    )
    assert set(done.stdout.split()) == offers, done.stderr


def test_completion_of_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    """A shell that is not supported is refused with those that are."""
    with pytest.raises(SystemExit) as ended:
        complete(["sh"])
    assert ended.value.code == 2
    assert "choose from" in capsys.readouterr().err


def test_installed_command() -> None:
    """The environment of the checkout has the command."""
    found = Path(sys.executable).with_name("phoenix")
    done = subprocess.run([found, "--version"], check=True, capture_output=True, text=True, timeout=20)
    assert done.stdout == f"phoenix {phoenix.__version__}\n"
