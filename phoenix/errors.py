"""The base of every error that Phoenix raises for a person to read. Lowest layer, no imports."""

from __future__ import annotations


class PhoenixError(Exception):
    """The message says what is wrong, where, and what to do; it is shown without a traceback."""


class TaskFailedError(PhoenixError):
    """A task cannot do its work on its host."""


class ConfigError(PhoenixError):
    """config.yaml cannot be used; the message names the key and what to write, the command line adds the file."""
