"""Where a machine is if it is not at its declared address."""

from __future__ import annotations

from typing import Any, cast

import pytest

from phoenix.connections.guest_address import MAX_ADDRESSES, current_addresses
from phoenix.connections.proxmox import ApiError, ProxmoxClient
from tests.support.estates import estate, guest

BOX = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None)
BASE = "nodes/node/qemu/121"


class Api:
    """An API with a configuration of the machine, and an agent that answers or does not."""

    def __init__(self, config: dict[str, Any], agent: Any) -> None:
        self._answers = {f"{BASE}/config": config, f"{BASE}/agent/network-get-interfaces": agent}

    def get(self, path: str, **_parameters: object) -> Any:
        """Read; an absent agent is an error."""
        if self._answers[path] is None:
            raise ApiError("QEMU guest agent is not running")
        return self._answers[path]


def interfaces(*addresses: Any) -> dict[str, Any]:
    """The agent's answer for one interface."""
    listed = [{"ip-address": one, "ip-address-type": "ipv4"} for one in addresses]
    return {
        "result": [{"name": "eth0", "ip-addresses": [*listed, {"ip-address": "fe80::1", "ip-address-type": "ipv6"}]}]
    }


@pytest.mark.parametrize(
    ("ipconfig", "agent", "found"),
    [
        ("ip=10.0.0.99/24,gw=10.0.0.1", None, ["10.0.0.99"]),
        ("ip=dhcp", interfaces("127.0.0.1", "10.0.0.98"), ["10.0.0.98"]),
        ("ip=10.0.0.21/24", interfaces("10.0.0.97"), ["10.0.0.97"]),
        ("ip=10.0.0.99/24", interfaces("10.0.0.99", "10.0.0.97"), ["10.0.0.99", "10.0.0.97"]),
        ("", interfaces("10.0.0.2", "10.0.0.3", "10.0.0.10", "10.0.0.12"), []),
        ("", interfaces("nonsense", "", "10.0.0.300", None), []),
        ("", {"result": []}, []),
        ("", "no dictionary", []),
        ("", {"result": ["x", {"ip-addresses": ["y", {}]}, {"ip-addresses": 3}]}, []),
        ("", interfaces(*(f"10.1.0.{number}" for number in range(1, 200))), [f"10.1.0.{n}" for n in range(1, 9)]),
    ],
)
def test_addresses(ipconfig: str, agent: Any, found: list[str]) -> None:
    """The configuration comes first; a claim to be at another host's address, and nonsense, are left out."""
    api = cast("ProxmoxClient", Api({"ipconfig0": ipconfig}, agent))
    assert [str(one) for one in current_addresses(api, estate(BOX), BOX)] == found
    assert len(found) <= MAX_ADDRESSES
