"""The process of one command: its settings, and Ctrl-C. Importing Phoenix changes no setting of a process."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from phoenix.cli.dialogue import refuse
from phoenix.cli.request import INTERRUPTED

Main = Callable[[Sequence[str] | None], int]
"""A command: takes its arguments, or those of the process for None; returns the exit status."""


def prepare_process() -> None:
    """Set up the process for a short run. Call it before nornir, paramiko and pydantic are imported."""
    # A run is short and keeps nearly all objects that it creates: collecting garbage every 700 objects is a tenth of
    # its start, and the collection when the process ends takes another 0.05 s.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Nornir expands "~" when it is imported, and fails for a user without a home directory: Debian calls that this.
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - Path.expanduser raises instead
        os.environ["HOME"] = "/nonexistent"
    # Pydantic searches all installed packages for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Paramiko imports this command runner for an option of configuration files that Phoenix does not read: 0.1 s.
    sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
    # Paramiko logs to standard error; our own errors contain what an operator needs of it.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def run_command(main: Main, arguments: Sequence[str] | None = None) -> int:
    """Run a command in a prepared process; Ctrl-C before or after its run is a message and no traceback.

    If the reader of standard output is gone (`| head`), end with the status of SIGPIPE and print no error.
    """
    prepare_process()
    try:
        try:
            return main(arguments)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        refuse("\nStopped by Ctrl-C.", INTERRUPTED)
    except BrokenPipeError:
        # Python flushes once more when it exits (signal, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
