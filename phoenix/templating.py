"""Templates and programs of the package as text. Lowest layer: text is rendered from values alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
Assigned = str | int | Iterable[str | int]
"""A value of a shell variable; several are joined by spaces."""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one Jinja2 environment; an undefined name is an error, never an empty string."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 0.05 s for commands that render

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # configuration files, not HTML
    )
    made.filters["unit_word"] = unit_word
    return made


def unit_word(text: str) -> str:
    """Quote one word of a command line in a systemd unit (systemd.service(5), "Command lines")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def render(template: str, **values: Any) -> str:
    """Render a template of the package."""
    return environment().get_template(template).render(**values)


@lru_cache(maxsize=64)
def program(path: str) -> str:
    """Read a program (shell, awk, Perl) of the package, a plain file."""
    return (TEMPLATES / path).read_text("utf-8")


def shell_program(path: str, /, *libraries: str, **values: Assigned) -> str:
    """Put assignments of shell variables in front of a plain shell program, behind its `#!` line if it has one.

    `libraries` are programs that come between: functions and variables that the program uses.
    """
    text = program(path)
    front = assignments(values) + "".join(map(program, libraries))
    first, newline, rest = text.partition("\n")
    if not first.startswith("#!"):
        return front + text
    return f"{first}{newline}{front}{rest}"


def assignments(values: Mapping[str, Assigned]) -> str:
    """Write shell assignments, one a line, quoted."""
    return "".join(f"{name}={shlex.quote(_word(value))}\n" for name, value in values.items())


def _word(value: Assigned) -> str:
    return str(value) if isinstance(value, str | int) else " ".join(map(str, value))
