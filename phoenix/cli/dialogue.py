"""What a runbook asks its operator before a run, and how it ends without one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from phoenix.cli.request import INTERRUPTED, WRONG_INPUT


def refuse(why: str, status: int = WRONG_INPUT) -> NoReturn:
    """End, and say why."""
    print(why, file=sys.stderr)
    sys.exit(status)


def ask(question: str) -> str:
    """What the operator answers; where nobody can, nothing is done."""
    try:
        return input(f"{question}: ").strip()
    except EOFError:
        refuse("\nNobody answered. Nothing was touched; say --yes if that is meant.")
    except KeyboardInterrupt:
        refuse("\nStopped by Ctrl-C. Nothing was touched.", INTERRUPTED)


def confirm(question: str) -> None:
    """Go on only if the operator says yes."""
    if ask(f"{question} [y/N]").lower() not in ("y", "yes"):
        refuse("That is not a yes. Nothing was touched.")


def interruptible(main: Callable[[], int]) -> int:
    """A runbook's status; Ctrl-C before its run begins, or after it has ended, is no traceback."""
    try:
        return main()
    except KeyboardInterrupt:
        refuse("\nStopped by Ctrl-C.", INTERRUPTED)
