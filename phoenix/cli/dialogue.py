"""Questions to the operator before a run, and the end of a command without a run."""

from __future__ import annotations

import sys
from typing import NoReturn

from phoenix.cli.request import INTERRUPTED, WRONG_INPUT


def refuse(why: str, status: int = WRONG_INPUT) -> NoReturn:
    """End with a message and a status."""
    print(why, file=sys.stderr)
    sys.exit(status)


def ask(question: str) -> str:
    """Ask the operator; without a terminal the command ends and no host is touched."""
    try:
        return input(f"{question}: ").strip()
    except EOFError:
        refuse("\nNobody answered. Nothing was touched; say --yes if that is meant.")
    except KeyboardInterrupt:
        refuse("\nStopped by Ctrl-C. Nothing was touched.", INTERRUPTED)


def confirm(question: str) -> None:
    """Continue only if the operator confirms."""
    if ask(f"{question} [y/N]").lower() not in ("y", "yes"):
        refuse("That is not a yes. Nothing was touched.")
