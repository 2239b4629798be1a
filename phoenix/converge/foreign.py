"""Files that Phoenix did not write, at paths that it manages: recognized by path and content, and kept as copies."""

from __future__ import annotations

import shlex

from phoenix.conventions import REPLACED

MADE = "the inventory; edits are undone"
"""A text in each file that Phoenix writes to a path without its name; units are known by their description."""
OWN_NAME = "phoenix"
"""A path that has it is Phoenix's alone."""
KEPT = f"Phoenix did not write it: a copy is kept in {REPLACED}"


def is_foreign(path: str, text: str | None, desired: str, mark: str) -> bool:
    """Report whether a file has content that Phoenix did not write: it lacks the mark that the desired text has."""
    return not is_named(path) and bool((text or "").strip()) and mark in desired and mark not in (text or "")


def is_named(path: str) -> bool:
    """Report whether a path, or a pattern, has Phoenix's name."""
    return OWN_NAME in path


def keeping(path: str, script: str) -> str:
    """Copy a file before the script that replaces it."""
    return f"keep {shlex.quote(path)} && {script}"
