"""Changes → one script that makes them in order, and reports the change at which it stopped."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from importlib.resources import files

from phoenix.conventions import LOCK, REPLACED, UNFINISHED
from phoenix.converge.change import Change
from phoenix.converge.foreign import MADE
from phoenix.converge.software import POLICY_MARK
from phoenix.errors import PhoenixError
from phoenix.templating import assignments

VALUES = {
    "lock": LOCK,
    "unfinished": UNFINISHED,
    "policy_mark": POLICY_MARK,
    "replaced": REPLACED,
    "made": MADE,
}
PROLOGUE = assignments(VALUES) + files("phoenix.converge").joinpath("prologue.sh").read_text("utf-8")


class ApplyError(PhoenixError):
    """A change failed; the message names it and quotes the last four lines of its output."""


def apply_script(changes: Sequence[Change]) -> str:
    """Write the script of all changes; the first failure stops it and restores the files of the same unit."""
    steps = [
        f'printf "@step|{index}\\n"; {{ {change.script or "true"}\n}} >"$work/log" 2>&1 || broke'
        for index, change in enumerate(changes)
    ]
    return "\n".join((PROLOGUE, *steps, 'settle >"$work/log" 2>&1 || broke', "finish"))


def read_notes(output: str) -> tuple[str, ...]:
    """The notes for the operator in the output of a script that ran to its end."""
    return tuple(line.partition("|")[2] for line in output.splitlines() if line.startswith("@note|"))


def check_applied(changes: Sequence[Change], output: str, status: int, error: str) -> None:
    """Raise ApplyError unless the script ran to its end."""
    lines = output.splitlines()
    if status == 0 and "@done" in lines:
        return
    steps = [int(line.partition("|")[2]) for line in lines if line.startswith("@step|")]
    log = next(
        (b64decode(line.partition("|")[2]).decode(errors="replace") for line in lines if line.startswith("@failed|")),
        error,
    )
    tail = "; ".join(line.strip() for line in log.strip().splitlines()[-4:]) or f"exit status {status}, no output"
    failure = f"{changes[steps[-1]]} failed" if steps else "the host's shell did not run"
    raise ApplyError(f"{failure}: {tail}")
