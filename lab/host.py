"""Bringing the lab up, taking it down, and saying how it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lab import access, credentials, forward, image, oci, preflight, rootfs, site, workloads
from lab.container import CGROUPS, Container
from lab.errors import LabError
from lab.execute import hypervisor_run
from lab.places import CODE
from lab.run import locked, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.places import Places

BUSY = "the end of another `lab.py up` or `down`"
UNITS = ("phoenix-lab-network", "phoenix-lab-internet", "phoenix-lab-client", "phoenix-lab-api", "ssh")
BOOT_LIMIT = 60.0
FORWARD_LIMIT = 15.0


def up(places: Places, inventory: Path, say: Callable[[str], None]) -> bool:
    """Start what does not run; whether anything had to be done."""
    preflight.check(places)
    with locked(places.cache / f"{places.name}.lock", limit=1800, busy=BUSY):
        places.lab.mkdir(parents=True, exist_ok=True)
        workloads.write(places, inventory, say)
        if all(up for _, up in parts(places)):
            return False
        container = Container(places)
        if container.pid is None:
            _start_container(places, container, say)
        _wait_for_units(places)
        _start_forwarder(places)
        access.write(places, credentials.obtain(places), forward.running(places.lab))
        return True


def _start_container(places: Places, container: Container, say: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(2) as pool:
        packages = pool.submit(site.obtain, places, say)
        found = image.obtain(places, say)
        registry = oci.obtain(places, found, say)
        installed = packages.result()
    made = credentials.obtain(places)
    container.write_config(found, installed, registry)
    rootfs.prepare(places, made)
    say("starting the hypervisor")
    container.start()


def _wait_for_units(places: Places) -> None:
    """Wait until everything inside is active, and name what is not."""
    seen: dict[str, str] = {}

    def active() -> bool:
        seen.update(unit_states(places))
        return all(state == "active" for state in seen.values())

    try:
        wait_until("the start of the lab's services", active, limit=BOOT_LIMIT, every=0.05)
    except LabError as error:
        down_units = ", ".join(f"{unit} is {state}" for unit, state in seen.items() if state != "active")
        raise LabError(
            f"{error}: {down_units}. Look with: python runbooks/lab.py exec pve -- journalctl -b -u UNIT"
        ) from None


def unit_states(places: Places) -> dict[str, str]:
    """The state of each of the lab's units; the API's is left out where this checkout has none."""
    units = [unit for unit in UNITS if unit != "phoenix-lab-api" or (CODE / "pve/__main__.py").is_file()]
    try:
        said = hypervisor_run(places, ["systemctl", "is-active", *units]).decode().split()
    except (LabError, OSError):
        said = []
    return dict(zip(units, said, strict=True)) if len(said) == len(units) else dict.fromkeys(units, "unknown")


def _start_forwarder(places: Places) -> None:
    if forward.running(places.lab):
        return
    forward.record(places.lab).unlink(missing_ok=True)
    log = places.lab / "forward.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.forward", str(places.lab)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
            env={**os.environ, "PYTHONPATH": str(CODE.parent)},
        )  # fmt: skip

    def listening() -> bool:
        if process.poll() is not None:
            raise LabError(f"the forwarder ended: {log.read_text(errors='replace')[-500:]}")
        return forward.running(places.lab) is not None

    wait_until("the start of the forwarder", listening, limit=FORWARD_LIMIT)


def down(places: Places, say: Callable[[str], None]) -> bool:
    """Stop everything and remove its state, a killed `up`'s leftovers too; whether there was anything."""
    with locked(places.cache / f"{places.name}.lock", limit=120, busy=BUSY):
        leftovers = any(CGROUPS.glob(f"*/{places.name}*")) or any(CGROUPS.glob(f"{places.name}*"))
        if not places.lab.exists() and not leftovers:
            return False
        say("stopping the lab")
        _stop_forwarder(places)
        Container(places).kill()
        _remove(places.lab)
        return True


def _stop_forwarder(places: Places) -> None:
    found = forward.running(places.lab)
    if not found:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    wait_until("the end of the forwarder", lambda: not found.alive(), limit=5)


def _remove(lab: Path) -> None:
    """Remove the lab's directory; nothing of it is mounted once its processes are gone."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [path for path in mounted if path.startswith(f"{lab}/")]
    if inside:
        raise LabError(
            f"{inside[0]} is mounted and the lab did not mount it; unmount it, then `lab.py down` again"
        )
    shutil.rmtree(lab)


def parts(places: Places) -> list[tuple[str, bool]]:
    """Every part of the lab, and whether it runs."""
    found = [("hypervisor", Container(places).pid is not None)]
    states = unit_states(places) if found[0][1] else dict.fromkeys(UNITS, "unknown")
    found += [(unit.removeprefix("phoenix-lab-"), state == "active") for unit, state in states.items()]
    return [
        *found,
        ("forwarder", forward.running(places.lab) is not None),
        ("access file", places.access.is_file()),
    ]


def elapsed(since: float) -> str:
    """Seconds since then, for people."""
    return f"{time.monotonic() - since:.1f} s"
