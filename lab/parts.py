"""What the lab consists of while it runs, and whether each part does."""

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
    """Every part of the lab, and whether it runs."""
    found = [("hypervisor", OuterContainer(places).pid is not None)]
    found += [(name.removeprefix("phoenix-lab-"), state == "active") for name, state in units(places).items()]
    return [*found, ("forwarder", forward.running(places.lab) is not None), ("access", places.access.is_file())]


def units(places: LabPlaces) -> dict[str, str]:
    """The state of each of the lab's units inside the hypervisor; "unknown" where nobody can be asked."""
    try:
        said = hypervisor_run(places, ["systemctl", "is-active", *UNITS]).decode().split()
    except (LabError, OSError):
        said = []
    return dict(zip(UNITS, said, strict=True)) if len(said) == len(UNITS) else dict.fromkeys(UNITS, "unknown")
