"""Nornir's own configuration, config.yaml: which inventory is the usual one, and how many hosts are served at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nornir.core.configuration import Config

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"


def configuration() -> Config:
    """What config.yaml says."""
    from nornir.core.configuration import Config  # noqa: PLC0415 - all of Nornir, which a run loads later

    return Config.from_file(str(CONFIG)) if CONFIG.exists() else Config()


def usual_inventory() -> Path:
    """The inventory that config.yaml names, relative to it."""
    return CONFIG.parent / str(configuration().inventory.options.get("directory", "inventory"))


def usual_workers() -> int:
    """How many hosts are served at once."""
    return int(configuration().runner.options.get("num_workers", 16))
