"""A wrong value of any key is answered in the terms of the inventory, never in those of pydantic."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from phoenix.estate.model import Guest, Hypervisor, Settings, Strict
from phoenix.estate.validation_messages import explain

PYDANTIC = re.compile(r"[Ii]nput|String|Value|Tuple|octets|netmask|pattern|integer|greater|should|another value|array")
WRONG: tuple[Any, ...] = (
    "", " ", "x y", "fd00::1", "fd00::/64", "10.0.0.5/24", "10.0.0", "10.0.0.0/33", "1G", "16 GiB", "1h30m", "zz:zz",
    "a" * 300, "a\nb", "Ä", -1, 0, 70_000, 10**12, 1.5, True, None, [], [1], [[]], {}, {"": 1}, {"a": {}}, {"X y": 1},
)  # fmt: skip
NETWORK = {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1", "upstream_dns": ["8.8.8.8"], "management": ["10.0.0.5"]}
NETWORK |= {"private_answers": ["fritz.box"]}
DOCUMENTS: dict[type[Strict], dict[str, Any]] = {
    Settings: {
        "zone": "lab.test",
        "alias_zones": ["old.test"],
        "network": NETWORK,
        "egress": [{"protocol": "tcp", "ports": [80], "purpose": "web"}],
        "ca": {"name": "x", "provisioner": "y", "root": "10y", "leaf": {"lifetime": "7d"}, "mesh": {"lifetime": "9d"}},
        "foreign_rules": "remove",
        "records": {"printer": "10.0.0.9"},
        "forward": {"www.lab.test": "upstream"},
    },
    Hypervisor: {
        "name": "pve",
        "groups": [],
        "tags": ["x"],
        "address": "10.0.0.2",
        "also": ["10.1.0.2"],
        "node": "PVE-01",
        "cluster": "home",
        "ceph": False,
        "bridge": "vmbr0",
        "guest_resolver": "10.0.0.3",
        "guest_storage": "/a",
        "vm_storage": "/b",
        "datasets": {"tank/a": {"mountpoint": "/a", "properties": {"quota": "1G"}}},
        "web_certificate": False,
    },
    Guest: {
        "name": "app",
        "groups": [],
        "address": "10.0.0.20",
        "vmid": 100,
        "kind": "lxc",
        "hypervisor": "pve",
        "storage": "pool",
        "memory": 1024,
        "swap": 0,
        "cores": 1,
        "disk": 8,
        "unprivileged": True,
        "user": "root",
        "clone_of": "base",
        "ostemplate": "local:vztmpl/x",
        "disk_image": "local:import/x",
        "tags": ["prod"],
        "startup": {"order": 1, "delay": 1},
        "workload": "managed",
        "mac": "52:54:00:AA:BB:CA",
        "depends_on": ["a"],
        "aliases": ["b"],
        "records": {"c": "10.0.0.9"},
        "mounts": [{"source": "a", "target": "/a", "owner": "0:0", "mode": "0755"}],
        "persistent_storage": "/p",
        "services": {
            "web": {
                "port": 80, "scheme": "https", "expose": True, "tls": "server", "clients": ["a"],
                "aliases": ["a.lab.test"], "health": "/", "certificate": {"lifetime": "7d", "renew_before": "3d"},
            },
        },
        "containers": {
            "web": {"image": "a:1", "ports": ["80"], "volumes": ["/a:/b"], "environment": {"A": "b"}, "command": ["c"]},
        },
    },
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List every path into plain data."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def messages(model: type[Strict], data: Any) -> list[str]:
    """The messages about a document."""
    try:
        model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        return [message for _, message in explain(error, model, ())]
    return []


def edited(model: type[Strict], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A document with another value at a path."""
    document = deepcopy(DOCUMENTS[model])
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return document


@pytest.mark.parametrize("model", DOCUMENTS)
def test_documents_have_every_key(model: type[Strict]) -> None:
    """The documents of this test are valid and have every key of their model."""
    assert messages(model, DOCUMENTS[model]) == []
    assert set(DOCUMENTS[model]) == set(model.model_fields)


@pytest.mark.parametrize("model", DOCUMENTS)
def test_any_wrong_value(model: type[Strict]) -> None:
    """No wrong value of any key is answered with the words of pydantic or without an expectation."""
    for path in places(DOCUMENTS[model]):
        for value in WRONG:
            for message in messages(model, edited(model, path, value)):
                assert not PYDANTIC.search(message.partition(" expected ")[2] or message), (path, value, message)


@pytest.mark.parametrize("model", DOCUMENTS)
def test_missing_key(model: type[Strict]) -> None:
    """A missing key is answered with its name."""
    for path in places(DOCUMENTS[model]):
        document = edited(model, path, None)
        parent: Any = document
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict):
            del parent[path[-1]]
            assert all(" is missing; expected " in message for message in messages(model, document)), path


ADDRESS = "expected an IPv4 address, such as 10.0.0.10"


@pytest.mark.parametrize(
    ("model", "path", "value", "message"),
    [
        (Settings, ("records", "v6"), "fd00::1", f"'fd00::1' is not valid: {ADDRESS}; IPv6 is not supported"),
        (Guest, ("records", "c"), "10.0.0", f"'10.0.0' is not valid: {ADDRESS}"),
        (
            Guest,
            ("address",),
            "10.0.0.20/24",
            (
                "'10.0.0.20/24' is not valid: expected an IPv4 address as hostname, such as 10.0.0.10; omit the prefix"
                " length"
            ),
        ),
        (
            Settings,
            ("network", "subnet"),
            "10.0.0.5/24",
            (
                "'10.0.0.5/24' is not valid: expected a network such as 10.0.0.0/24, without host bits; its network is"
                " 10.0.0.0/24"
            ),
        ),
        (
            Settings,
            ("network", "management"),
            ["10.0.0.5/24"],
            (
                "'10.0.0.5/24' is not valid: expected an IPv4 network, such as 10.0.0.0/24, or an address; its network"
                " is 10.0.0.0/24"
            ),
        ),
        (
            Settings,
            ("network", "management"),
            "10.0.0.5",
            "'10.0.0.5' is not valid: expected a list of IPv4 networks or addresses, at least one",
        ),
        (Settings, ("network", "upstream_dns"), [], "[] is not valid: expected a list of IPv4 addresses, at least one"),
        (Guest, ("memory",), "1G", "'1G' is not valid: expected a whole number of MiB from 16, such as 1024"),
        (Guest, ("memory",), 8, "8 is not valid: expected a whole number of MiB from 16, such as 1024"),
        (Guest, ("disk",), "16G", "'16G' is not valid: expected a whole number of GiB from 1, such as 16"),
        (Guest, ("cores",), 0, "0 is not valid: expected a whole number from 1"),
        (Guest, ("startup", "delay"), "5s", "'5s' is not valid: expected a whole number of seconds from 0"),
        (Guest, ("services", "web", "port"), 70_000, "70000 is not valid: expected a port number from 1 to 65535"),
        (
            Guest,
            ("services", "web", "tls"),
            "both",
            "'both' is not valid: expected 'server' or 'mutual'",
        ),
        (
            Hypervisor,
            ("node",),
            "pve_1",
            "'pve_1' is not valid: expected the node's name in Proxmox VE: letters, digits and hyphens, at most 63",
        ),
        (Settings, ("ca", "name"), "", "'' is not valid: expected text that is not empty"),
    ],
)
def test_message(model: type[Strict], path: tuple[Any, ...], value: Any, message: str) -> None:
    """The message shows the wrong value, what the key expects, and what is nearly right about it."""
    assert messages(model, edited(model, path, value)) == [message]


@pytest.mark.parametrize("node", ["pve", "PVE-01", "1st", "a" * 63])
def test_node_names(node: str) -> None:
    """Every name that Proxmox VE allows for a node is valid."""
    assert messages(Hypervisor, edited(Hypervisor, ("node",), node)) == []


@pytest.mark.parametrize("node", ["", "pve.lan", "-pve", "pve-", "a" * 64, "p_ve"])
def test_no_node_names(node: str) -> None:
    """A name that Proxmox VE refuses is refused."""
    assert len(messages(Hypervisor, edited(Hypervisor, ("node",), node))) == 1
