"""Reading the inventory for runbooks that answer questions about it and connect to no host."""

from __future__ import annotations

import os
from pathlib import Path

from phoenix.cli.config import config_file, default_inventory
from phoenix.cli.dialogue import refuse
from phoenix.errors import ConfigError
from phoenix.estate import Estate, InventoryError, load_estate
from phoenix.estate.key_locations import Sources, read_sources


def read_inventory(directory: Path | None) -> tuple[Estate, Sources]:
    """Read the estate and its documents; an unusable inventory ends the runbook with every mistake and status 2."""
    try:
        folder = _seen_from_here(directory or default_inventory())
        return load_estate(folder), read_sources(folder)
    except ConfigError as error:
        refuse(f"the configuration cannot be used:\n{config_file()}: {error}")
    except InventoryError as error:
        refuse(f"the inventory cannot be used, {len(error.problems)} to correct:\n{error}")


def _seen_from_here(folder: Path) -> Path:
    """Show lines with the folder's path relative to the current directory."""
    here = Path(os.path.relpath(folder))
    return folder if here.parts[:1] == ("..",) else here
