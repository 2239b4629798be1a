"""`lab.py up`: starts the lab, completes one whose `up` was killed, or restarts a stopped part."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from phoenix.lab import access_file, credentials, external_workloads, forward, preflight
from phoenix.lab.errors import LabError
from phoenix.lab.images import image, oci, python_packages
from phoenix.lab.machine import hypervisor_files, processes
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.machine.execute import hypervisor_run
from phoenix.lab.places import BUSY, PRODUCT
from phoenix.lab.prepare import prepare
from phoenix.lab.programs import locked, wait_until
from phoenix.lab.status import UNITS, parts, units

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix.lab.places import LabPlaces

BUSY_LIMIT = 1800.0  # another `up` may be building the image
BOOT_LIMIT = 60.0
FORWARD_LIMIT = 15.0


def up(places: LabPlaces, inventory: Path, say: Callable[[str], None]) -> bool:
    """Start every part that does not run; return whether there was anything to do."""
    preflight.check(places)
    with locked(places.lock, limit=BUSY_LIMIT, busy=BUSY, say=say):
        places.lab.mkdir(parents=True, exist_ok=True)
        external_workloads.write(places, inventory, say)
        container = OuterContainer(places)
        if all(runs for _, runs in parts(places)):
            if not container.mounts(python_packages.place(places), oci.place(places, image.place(places))):
                say("it runs from an older image or older stand-ins; run `lab.py down`, then `up`, to update it")
            return False
        if container.pid is None:
            _start_container(places, container, say)
        else:
            hypervisor_run(places, ["systemctl", "--no-block", "start", *UNITS])
        _wait_for_units(places)
        _start_forwarder(places)
        access_file.write(places, credentials.obtain(places), forward.running(places.lab))
        return True


def _start_container(places: LabPlaces, container: OuterContainer, say: Callable[[str], None]) -> None:
    prepared = prepare(places, say)
    made = credentials.obtain(places)
    container.write_config(prepared.image, prepared.site, prepared.registry)
    hypervisor_files.prepare(places, made)
    say("starting the hypervisor")
    container.start()


def _wait_for_units(places: LabPlaces) -> None:
    """Wait until all of the lab's units are active; raise LabError with those that are not."""
    seen: dict[str, str] = {}

    def active() -> bool:
        seen.update(units(places))
        return all(state == "active" for state in seen.values())

    try:
        wait_until("the start of the lab's services", active, limit=BOOT_LIMIT, every=0.05)
    except LabError as error:
        others = ", ".join(f"{unit} is {state}" for unit, state in seen.items() if state != "active")
        look = "phoenix lab exec pve -- journalctl -b -u UNIT"
        raise LabError(f"{error}: {others}. Look with: {look}") from None


def _start_forwarder(places: LabPlaces) -> None:
    if forward.running(places.lab):
        return
    processes.end(processes.forwarders(places))  # left by a killed `up`
    forward.record(places.lab).unlink(missing_ok=True)
    log = places.lab / "forward.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "phoenix.lab.forward", str(places.lab)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
            env={**os.environ, "PYTHONPATH": str(PRODUCT.parent)},
        )  # fmt: skip

    def listening() -> bool:
        if process.poll() is not None:
            raise LabError(f"the forwarder ended: {log.read_text(errors='replace')[-500:]}")
        return forward.running(places.lab) is not None

    wait_until("the start of the forwarder", listening, limit=FORWARD_LIMIT)
