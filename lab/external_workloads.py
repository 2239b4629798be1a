"""Which programs the lab plays because somebody else looks after them: guests with `workload: external`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phoenix.estate import InventoryError, load_estate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix.lab.places import LabPlaces


def workloads(inventory: Path) -> dict[str, list[dict[str, int | str]]]:
    """By guest id, the port and protocol of each service that nobody deploys."""
    return {
        str(guest.vmid): [{"port": service.port, "protocol": "http"} for service in guest.services.values()]
        for guest in load_estate(inventory).guests
        if guest.workload == "external" and guest.services
    }


def write(places: LabPlaces, inventory: Path, say: Callable[[str], None]) -> None:
    """Write them where the hypervisor reads them at each start of a guest."""
    try:
        found = workloads(inventory)
    except InventoryError as error:
        say(f"the inventory is not valid, so no workload is played: {error}")
        return
    places.state.mkdir(parents=True, exist_ok=True)
    draft = places.state / "workloads.json.new"
    draft.write_text(json.dumps(found, indent=1))
    draft.replace(places.state / "workloads.json")
