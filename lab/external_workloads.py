"""The model servers that the lab runs: for each guest with `workload: external`, which no task deploys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phoenix.estate import InventoryError, load_estate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix.lab.places import LabPlaces


def workloads(inventory: Path) -> dict[str, list[dict[str, int | str]]]:
    """Return, by VM id, the port and protocol of each service of an external workload."""
    return {
        str(guest.vmid): [{"port": service.port, "protocol": "http"} for service in guest.services.values()]
        for guest in load_estate(inventory).guests
        if guest.workload == "external" and guest.services
    }


def write(places: LabPlaces, inventory: Path, say: Callable[[str], None]) -> None:
    """Write workloads.json, which the hypervisor reads whenever a guest starts."""
    try:
        table = workloads(inventory)
    except InventoryError as error:
        say(f"the inventory is not valid; the lab runs no stand-ins for external workloads: {error}")
        return
    places.state.mkdir(parents=True, exist_ok=True)
    draft = places.state / "workloads.json.new"
    draft.write_text(json.dumps(table, indent=1))
    draft.replace(places.state / "workloads.json")
