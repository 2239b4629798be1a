"""Reading the inventory for runbooks that answer questions about it and connect to nothing."""

from __future__ import annotations

import os
from pathlib import Path

from phoenix.cli.config import usual_inventory
from phoenix.cli.dialogue import refuse
from phoenix.estate import Estate, InventoryError, load_estate
from phoenix.estate.sources import Sources, read_sources


def read_inventory(given: Path | None) -> tuple[Estate, Sources]:
    """The estate and its documents; one that cannot be used ends the runbook with every mistake and status 2."""
    folder = _seen_from_here(given or usual_inventory())
    try:
        return load_estate(folder), read_sources(folder)
    except InventoryError as error:
        refuse(f"the inventory cannot be used, {len(error.problems)} to correct:\n{error}")


def _seen_from_here(folder: Path) -> Path:
    """Lines are shown with the folder's path, which is short from where the operator is."""
    here = Path(os.path.relpath(folder))
    return folder if here.parts[:1] == ("..",) else here
