"""Nornir's configuration for a run: the sections of config.yaml as Nornir takes them, and the runner that they name.

The command line finds the file (phoenix.cli.config). Errors here name the key; the command line adds the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from nornir.core.configuration import (
    Config,
    CoreConfig,
    InventoryConfig,
    LoggingConfig,
    RunnerConfig,
    SSHConfig,
)
from nornir.core.exceptions import PluginNotRegistered
from nornir.core.plugins.runners import RunnerPlugin, RunnersPluginRegister
from nornir.plugins.runners import SerialRunner, ThreadedRunner

from phoenix.errors import ConfigError

SECTIONS: Mapping[str, Any] = {
    "inventory": InventoryConfig,
    "ssh": SSHConfig,
    "logging": LoggingConfig,
    "core": CoreConfig,
    "runner": RunnerConfig,
}
FREE_SECTION = "user_defined"
BUILTIN_RUNNERS = {"threaded": ThreadedRunner, "serial": SerialRunner}
WORKERS = "num_workers"


def parse_config(sections: Mapping[str, Any]) -> Config:
    """Make Nornir's configuration from the sections of config.yaml; ConfigError names the first wrong key."""
    known = (*SECTIONS, FREE_SECTION)
    for name, section in sections.items():
        if name not in known:
            raise ConfigError(f"{name}: unknown section, write one of {', '.join(known)}")
        if not isinstance(section, Mapping):
            raise ConfigError(f"{name}: is not a mapping, write keys and values below it or remove it")
        if name in SECTIONS:
            _check_section(name, section, SECTIONS[name])
    return Config.from_dict(**sections)


def _check_section(name: str, section: Mapping[str, Any], parser: Any) -> None:
    for key, value in section.items():
        if key not in parser.__slots__:
            raise ConfigError(f"{name}.{key}: unknown key, write one of {', '.join(sorted(parser.__slots__))}")
        wanted = getattr(parser.Parameters, key).type
        if value is not None and not isinstance(value, wanted):
            raise ConfigError(f"{name}.{key}: {value!r} is not of type {wanted.__name__}, write a {wanted.__name__}")


def configure_logging(config: LoggingConfig) -> None:
    """Configure logging as Nornir does."""
    try:
        config.configure()
    except (ValueError, OSError) as error:
        raise ConfigError(f"logging: {error}, correct `level` or `log_file`, or write `enabled: false`") from None


def make_runner(config: RunnerConfig, workers: int | None = None) -> RunnerPlugin:
    """Make the runner with its options; `workers` overrides its number of workers."""
    plugin = _runner_plugin(config.plugin)
    takes = inspect.signature(plugin).parameters
    if workers is not None and WORKERS not in takes:
        raise ConfigError(f"runner.plugin: {config.plugin!r} has no option {WORKERS}, omit --workers or write threaded")
    options = {**config.options, **({WORKERS: workers} if workers is not None else {})}
    if not _is_number(options.get(WORKERS, 1)):
        raise ConfigError(f"runner.options.{WORKERS}: {options[WORKERS]!r} is not a number, write one from 1 on")
    try:
        return plugin(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"runner.options: {error}, {config.plugin!r} takes {', '.join(takes) or 'none'}") from None


def _runner_plugin(name: str) -> type[RunnerPlugin]:
    """Find a runner. Installed packages are searched only if it is not Nornir's own, because that takes 0.1 s."""
    for builtin, plugin in BUILTIN_RUNNERS.items():
        RunnersPluginRegister.register(builtin, plugin)
    if name not in RunnersPluginRegister.available:
        RunnersPluginRegister.auto_register()
    try:
        return RunnersPluginRegister.get_plugin(name)
    except PluginNotRegistered:
        have = ", ".join(BUILTIN_RUNNERS)
        raise ConfigError(
            f"runner.plugin: {name!r} is not installed, write {have} or install the package that has it"
        ) from None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
