"""config.yaml, Nornir's configuration: where it is, and which inventory it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix.errors import ConfigError

if TYPE_CHECKING:
    from nornir.core.configuration import Config

NAME = "config.yaml"
DEFAULT_INVENTORY = "inventory"
INVENTORY_PLUGIN = "phoenix_inventory"
CHECKOUT = Path(__file__).resolve().parents[2]
"""The repository, if Phoenix runs from one; an installed package has no pyproject.toml beside it."""


def config_file() -> Path | None:
    """Find config.yaml: that of the current directory, else that of the checkout; None if there is neither."""
    if Path(NAME).is_file():
        return Path(NAME)
    own = CHECKOUT / NAME
    return own if own.is_file() and (CHECKOUT / "pyproject.toml").is_file() else None


def default_inventory() -> Path:
    """The inventory that config.yaml names, relative to that file; without a file, `inventory` in this directory."""
    file = config_file()
    section = _sections(file).get("inventory") or {}
    options = section.get("options") or {} if isinstance(section, Mapping) else {}
    directory = options.get("directory", DEFAULT_INVENTORY) if isinstance(options, Mapping) else DEFAULT_INVENTORY
    if not isinstance(directory, str):
        raise ConfigError(f"inventory.options.directory: {directory!r} is no path, write {DEFAULT_INVENTORY}")
    return (file.parent if file else Path()) / directory


def nornir_config() -> Config:
    """Read config.yaml, or Nornir's defaults without its log file if there is none."""
    from phoenix.run.config import parse_config  # noqa: PLC0415 - Nornir, which a run loads later

    sections = _sections(config_file()) or {"logging": {"enabled": False}}
    config = parse_config(sections)
    plugin = config.inventory.plugin
    if "plugin" in (sections.get("inventory") or {}) and plugin != INVENTORY_PLUGIN:
        raise ConfigError(f"inventory.plugin: {plugin!r} holds no estate, write {INVENTORY_PLUGIN}")
    return config


def _sections(file: Path | None) -> Mapping[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - 0.03 s, for commands that read an inventory
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - the same

    if file is None:
        return {}
    try:
        sections = YAML(typ="safe").load(file.read_text("utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise ConfigError(f"cannot be read: {error}") from None
    if not isinstance(sections, Mapping | None):
        raise ConfigError("is not a mapping, write sections such as `inventory:` and `runner:`")
    return sections or {}
