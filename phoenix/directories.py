"""Where Phoenix keeps its files on the controller: the cache, the access file and the lab. Lowest layer.

The defaults of an ordinary user follow the XDG Base Directory Specification, which ignores relative paths. The
functions read the environment and create no directory.
"""

from __future__ import annotations

import os
from pathlib import Path

from phoenix.errors import PhoenixError

DEFAULT_LAB = Path("/var/lib/phoenix-lab")
ROOT_CACHE = Path("/var/cache/phoenix")
NO_HOME = Path("/nonexistent")
"""The home directory of users without one: by Debian's policy (9.2.3), and by phoenix/cli/process.py."""


class DirectoryError(PhoenixError):
    """A default is below the home directory, and this user has none."""


def cache_directory() -> Path:
    """Return `$PHOENIX_CACHE`, else /var/cache/phoenix for root, else `$XDG_CACHE_HOME/phoenix`, ~/.cache/phoenix."""
    if named := os.environ.get("PHOENIX_CACHE"):
        return Path(named).absolute()
    if os.geteuid() == 0:
        return ROOT_CACHE
    return _user_directory("XDG_CACHE_HOME", ".cache", instead="PHOENIX_CACHE")


def access_file() -> Path:
    """Return `$PHOENIX_ACCESS`, else access.yaml in `$XDG_CONFIG_HOME/phoenix` or ~/.config/phoenix."""
    if named := os.environ.get("PHOENIX_ACCESS"):
        return Path(named)
    return _user_directory("XDG_CONFIG_HOME", ".config", instead="PHOENIX_ACCESS") / "access.yaml"


def lab_directory() -> Path:
    """Return `$PHOENIX_LAB`, else /var/lib/phoenix-lab."""
    return Path(os.environ.get("PHOENIX_LAB") or DEFAULT_LAB).absolute()


def _user_directory(variable: str, below_home: str, *, instead: str) -> Path:
    base = Path(os.environ.get(variable, ""))
    return (base if base.is_absolute() else _home(instead, variable) / below_home) / "phoenix"


def _home(*variables: str) -> Path:
    try:
        home = Path.home()
    except RuntimeError:
        home = NO_HOME
    if home == NO_HOME:
        raise DirectoryError(
            f"user {os.getuid()} has no home directory. Set {', '.join(variables)} or HOME to an absolute path"
        )
    return home
