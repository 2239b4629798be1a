"""Nornir's inventory plugin `phoenix_inventory`: the estate as Nornir hosts, groups and defaults."""

from __future__ import annotations

from typing import Any

from nornir.core.inventory import ConnectionOptions, Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups

from phoenix.estate.load import load_estate
from phoenix.estate.model import Estate, Guest, Hypervisor

CONNECTION = "phoenix_host"
"""The connection plugin of the hosts (phoenix.connections.plugin)."""


class PhoenixInventory:
    """Load a directory of inventory files; everything is validated before the first host exists.

    A relative directory is relative to the current one, as with Nornir's own inventory plugins.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def load(self) -> Inventory:
        """Give Nornir the estate; InventoryError lists every mistake."""
        return as_nornir(load_estate(self.directory))


def as_nornir(estate: Estate) -> Inventory:
    """Show an estate as Nornir sees one: each host with its address, its groups and its settings as data.

    The options of `phoenix_host` hold the host's name and the estate itself, complete at the host, because Nornir does
    not merge them with those of groups and defaults.
    """
    defaults = Defaults(data={"zone": estate.zone})
    groups = Groups({name: Group(name=name, defaults=defaults) for host in estate.hosts() for name in host.groups})
    hosts = Hosts(
        {
            host.name: Host(
                name=host.name,
                hostname=_address(host),
                groups=ParentGroups(groups[name] for name in host.groups),
                defaults=defaults,
                data=_data(host.model_dump(mode="json", exclude={"name", "groups", "address"})),
                connection_options={CONNECTION: ConnectionOptions(extras={"host": host.name, "estate": estate})},
            )
            for host in estate.hosts()
        }
    )
    return Inventory(hosts=hosts, groups=groups, defaults=defaults)


def _address(host: object) -> str | None:
    return str(host.address) if isinstance(host, Hypervisor | Guest) else None


def _data(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [], {})}
