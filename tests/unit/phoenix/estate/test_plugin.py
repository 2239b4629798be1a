"""The estate as a Nornir inventory."""

from __future__ import annotations

import subprocess
import sys

import pytest
from nornir.core.inventory import Host

from phoenix.estate import InventoryError
from phoenix.estate.model import Guest, Hypervisor, Template
from phoenix.estate.plugin import PhoenixInventory
from tests.support.inventories import EXAMPLE
from tests.support.places import ROOT


def test_inventory_of_nornir() -> None:
    """Nornir's own interface works: address, groups, data, filters."""
    inventory = PhoenixInventory(str(EXAMPLE)).load()
    portainer = inventory.hosts["portainer"]
    assert (portainer.hostname, portainer["vmid"], portainer["kind"]) == ("10.0.0.111", 1001, "vm")
    assert portainer.has_parent_group("docker")
    assert portainer["zone"] == "internal.thinkheads.ai"
    assert inventory.hosts["copy-base"].hostname is None
    docker = [host.name for host in inventory.hosts.values() if host.has_parent_group("docker")]
    assert docker == ["portainer", "drphoenix"]


INIT = """
from nornir import InitNornir
from nornir.core.plugins.connections import ConnectionPluginRegister
nornir = InitNornir(config_file="config.yaml", logging={"enabled": False})
print(len(nornir.inventory.hosts), nornir.runner.num_workers, "phoenix_host" in ConnectionPluginRegister.available)
"""


def test_config_file() -> None:
    """InitNornir loads the repository's config.yaml by itself: inventory, runner and connection plugin."""
    done = subprocess.run(
        [sys.executable, "-c", INIT], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=30
    )
    assert done.stdout == "16 16 True\n"


def test_hosts_share_their_estate() -> None:
    """Each host's connection options hold its name and the one estate of the inventory."""
    hosts = PhoenixInventory(str(EXAMPLE)).load().hosts
    extras = [host.get_connection_parameters("phoenix_host").extras or {} for host in hosts.values()]
    assert [one["host"] for one in extras] == list(hosts)
    assert len({id(one["estate"]) for one in extras}) == 1


def test_refused_before_the_first_host(tmp_path: object) -> None:
    """A malformed inventory raises the same error through Nornir."""
    with pytest.raises(InventoryError):
        PhoenixInventory(f"{tmp_path}/none").load()


@pytest.mark.parametrize("model", [Hypervisor, Guest, Template])
def test_no_key_hides_behind_nornir(model: type[Guest]) -> None:
    """No key of a host's data has the name of an attribute of Nornir's Host, which would hide it."""
    taken = {name for name in dir(Host) if not name.startswith("_")} | set(Host.__slots__)
    assert (set(model.model_fields) - {"name", "groups", "address"}).isdisjoint(taken)
