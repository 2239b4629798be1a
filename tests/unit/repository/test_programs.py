"""Shell, awk and Perl programs are files of their own, with values in front, and all of them are linted."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.support.places import ROOT

TEMPLATES = ROOT / "templates"
SHELL = re.compile(
    r"\b(for|while|until)\b[^\n]*?(;|\n)\s*do\b"  # a loop
    r"|\bcase\s+\S+\s+in\b"
    r"|(^|[;&|]\s*)\w+\(\)\s*[{(]",  # a function
    re.MULTILINE,
)
PERL = re.compile(r"^\s*(sub \w+ \{|(my|our) [$@%(])", re.MULTILINE)
EXCEPTIONS = {
    "phoenix/connections/shell.py": "wraps a whole script in a function, so that the shell reads it to its end",
    "tasks/trust/on_node.py": "assigns values in front of on_node.pl",
}
"""Files that may hold such text, each with its reason."""
REQUIRED = re.compile(r'"\$\{([a-z_]\w*):?\?\}"')


def sources() -> Iterator[Path]:
    """The Python files of the library and the tasks."""
    for folder in ("phoenix", "tasks"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if (ROOT / "lab") not in path.resolve().parents)


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each text of a module but docstrings, with its line; what an f-string puts in is an X."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, holders)]
    docstrings = {id(line.value) for body in bodies for line in body if isinstance(line, ast.Expr)}
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    for formatted in joined:
        texts = (str(part.value) if isinstance(part, ast.Constant) else "X" for part in formatted.values)
        yield formatted.lineno, "".join(texts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts | docstrings:
            yield node.lineno, node.value


def programs_in(text: str) -> list[int]:
    """The lines of a Python source where a shell or Perl program begins."""
    return [line for line, string in strings(ast.parse(text)) if SHELL.search(string) or PERL.search(string)]


@pytest.mark.parametrize(
    "text",
    [
        'SCRIPT = """\nwhile true; do\n  sleep 1\ndone\n"""',
        'run(f"for file in {files}; do " "rm $file; done")',
        'run("for file in a b\\ndo rm $file; done")',
        'run(f"case {word} in a) ;; esac")',
        'run("work=x\\nsign() { openssl; }")',
        'run("my $x = 1;\\nprint $x")',
    ],
)
def test_programs_are_recognized(text: str) -> None:
    """The rule below finds loops, cases, functions and Perl, in strings of every kind."""
    assert programs_in(text) == [1]


@pytest.mark.parametrize(
    "text",
    [
        '"""Wait for a host; do it while there is time."""',
        'run(f"mkdir -p {path} && chmod 755 {path}")',
        'raise ValueError("in case there is one, look() for it")',
    ],
)
def test_other_text_is_not_taken_for_a_program(text: str) -> None:
    """Prose and single commands are no programs."""
    assert programs_in(text) == []


def test_no_program_in_python() -> None:
    """No shell loop, case, function or Perl statement stands in a string of the library or the tasks."""
    found = {str(path.relative_to(ROOT)): programs_in(path.read_text("utf-8")) for path in sources()}
    assert {path for path, lines in found.items() if lines} == set(EXCEPTIONS)


def test_no_program_in_jinja() -> None:
    """No template is a shell program: programs are plain files."""
    templates = list(TEMPLATES.rglob("*.j2"))
    assert [path.name for path in templates if path.name.endswith((".sh.j2", ".pl.j2", ".awk.j2"))] == []
    assert [path.name for path in templates if path.read_text("utf-8").lstrip().startswith("#!")] == []


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each call of `shell_program`, with its place."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "shell_program":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


CALLS = dict(calls())


@pytest.mark.parametrize("place", CALLS)
def test_values_are_those_that_the_program_declares(place: str) -> None:
    """A call assigns no value that neither the program nor its libraries ask for, and lacks none that is named here."""
    call = CALLS[place]
    paths = [str(word.value) for word in call.args if isinstance(word, ast.Constant)]
    declared = set(chain.from_iterable(REQUIRED.findall((TEMPLATES / path).read_text("utf-8")) for path in paths))
    named = {value.arg for value in call.keywords if value.arg}
    assert named <= declared
    if len(named) == len(call.keywords):  # no dictionary of values is passed as well
        assert declared - named <= {"work"}  # the script of changes has it


def test_each_exception_of_shellcheck_is_explained() -> None:
    """Where a warning is disabled, the same line says why."""
    lines = [line for path in (*ROOT.glob("*/**/*.sh"), *ROOT.glob("scripts/*"), ROOT / ".ci/run")
             for line in path.read_text("utf-8").splitlines() if "shellcheck disable" in line]  # fmt: skip
    assert lines
    assert [line for line in lines if not re.fullmatch(r" *# shellcheck disable=SC\d+ # \w.+", line)] == []


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck, which `make setup` installs")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("program.sh", "echo $1\n"),
        ("program", "#!/bin/sh\necho $1\n"),
        ("program", "#!/usr/bin/env bash\necho $1\n"),
        ("program.pl", "use strict;\n$x = 1;\n"),
        ("program", "#!/usr/bin/perl\nuse strict;\n$x = 1;\n"),
    ],
)
def test_every_program_is_checked(tmp_path: Path, name: str, text: str) -> None:
    """A faulty program is found by its suffix or its first line, wherever it is."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    check = [tmp_path / "scripts/check-programs"]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).write_text(text)
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, f"folder/{name}" in done.stdout) == (1, True)
