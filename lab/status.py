"""The parts of a running lab and their state, for `lab.py up` and `lab.py status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix.lab import forward
from phoenix.lab.errors import LabError
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.machine.execute import hypervisor_run

if TYPE_CHECKING:
    from phoenix.lab.places import LabPlaces

UNITS = ("phoenix-lab-network", "phoenix-lab-internet", "phoenix-lab-client", "phoenix-lab-api", "ssh")


def parts(places: LabPlaces) -> list[tuple[str, bool]]:
    """Return each part's name and whether it runs."""
    hypervisor = ("hypervisor", OuterContainer(places).pid is not None)
    services = [(name.removeprefix("phoenix-lab-"), state == "active") for name, state in units(places).items()]
    forwarder = ("forwarder", forward.running(places.lab) is not None)
    return [hypervisor, *services, forwarder, ("access", places.access.is_file())]


def units(places: LabPlaces) -> dict[str, str]:
    """Return the state of each of the lab's units in the hypervisor; "unknown" if the hypervisor does not answer."""
    try:
        states = hypervisor_run(places, ["systemctl", "is-active", *UNITS]).decode().split()
    except (LabError, OSError):
        states = []
    return dict(zip(UNITS, states, strict=True)) if len(states) == len(UNITS) else dict.fromkeys(UNITS, "unknown")
