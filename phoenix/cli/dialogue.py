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
    """Ask the operator; without a terminal, end the command; no host is changed."""
    try:
        return input(f"{question}: ").strip()
    except EOFError:
        refuse("\nThere is no answer. No host was changed. Add --yes to confirm.")
    except KeyboardInterrupt:
        refuse("\nStopped by Ctrl-C. No host was changed.", INTERRUPTED)


def confirm(question: str) -> None:
    """Continue only if the operator confirms."""
    if ask(f"{question} [y/N]").lower() not in ("y", "yes"):
        refuse("That is not a yes. No host was changed.")
