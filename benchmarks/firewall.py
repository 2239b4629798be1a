"""Measures deriving and proving the firewall of large estates."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from ipaddress import IPv4Address
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.measure import positive
from phoenix.cli.process import prepare_process
from phoenix.estate import Authority, Egress, Estate, Guest, Hypervisor, Network, Service, Settings
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.proof.prove import prove

PROMISED = {200: 2.0, 2000: 30.0}
"""Maximum seconds for both steps, by number of guests."""
FIRST = IPv4Address("10.0.1.0")
ROLES = {"ca": ("step_ca",), "edge": ("trusted_ca", "nginx"), "mesh": ("trusted_ca", "traefik")}
Sample = dict[str, float]


def main() -> int:
    """Report the best times and the largest memory of several runs, each in its own process."""
    arguments = _arguments()
    if arguments.once:
        prepare_process()  # as the commands do
        print(json.dumps(_measure(arguments.once)))
        return 0
    console, machine = Console(), describe()
    console.print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n", highlight=False)
    samples = {guests: [_in_a_process(guests) for _ in range(arguments.runs)] for guests in PROMISED}
    table = Table("guests", "rules", "derived s", "proved s", "both, promised s", "peak MiB", box=None)
    for guests, own in samples.items():
        best = {key: min(sample[key] for sample in own) for key in ("derived", "proved")}
        times = (f"{best[key]:.2f}" for key in ("derived", "proved"))
        peak = max(sample["mib"] for sample in own)
        table.add_row(str(guests), f"{own[0]['rules']:.0f}", *times, f"{PROMISED[guests]:.0f}", f"{peak:.0f}")
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "samples": samples}, indent=2) + "\n")
    return int(any(_best(own) > PROMISED[guests] for guests, own in samples.items()))


def _arguments() -> Namespace:
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument(
        "--runs", metavar="N", type=positive, default=3, help="Number of runs per size (default: %(default)s)."
    )
    parser.add_argument("--once", metavar="GUESTS", type=positive, help="Make one run in this process; print JSON.")
    parser.add_argument("--json", metavar="FILE", type=Path, help="Also write the samples to this file.")
    return parser.parse_args()


def _best(samples: list[Sample]) -> float:
    return min(sample["derived"] + sample["proved"] for sample in samples)


def _in_a_process(guests: int) -> Sample:
    """Make a run in a new process, so that its memory is not shared with other runs."""
    command = [sys.executable, __file__, "--once", str(guests)]
    sample: Sample = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout)
    return sample


def _measure(guests: int) -> Sample:
    estate = _estate(guests)
    start = time.monotonic()
    firewall = firewall_from_estate(estate)
    derived = time.monotonic()
    proof = prove(estate, firewall)
    proved = time.monotonic()
    if not proof.holds:
        raise SystemExit(f"the proof does not hold: {proof.violations[:1]} {proof.skipped[:1]}")
    rules = len(firewall.cluster.rules) + sum(len(guest.config.rules) for guest in firewall.guests.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"derived": derived - start, "proved": proved - derived, "rules": rules, "mib": peak}


def _estate(guests: int) -> Estate:
    """Return an estate with CA, edge, mesh, and guests with an exposed service and a service for two other guests."""
    network = {
        "subnet": "10.0.0.0/16",
        "gateway": "10.0.0.1",
        "upstream_dns": ["192.0.2.53"],
        "management": ["10.0.0.8/29"],
    }
    settings = Settings(
        zone="bench.test",
        network=Network.model_validate(network),
        egress=(Egress(protocol="tcp", ports=(80, 443), purpose="packages"),),
        ca=Authority(name="Bench CA", provisioner="bench"),
    )
    hypervisor = Hypervisor(
        name="pve",
        groups=("hypervisor", "trusted_ca"),
        address=IPv4Address("10.0.0.2"),
        node="pve",
        guest_resolver=IPv4Address("10.0.0.3"),
        guest_storage="/lxc",
        vm_storage="/vm",
    )
    core = [_guest(number, name, groups, {}) for number, (name, groups) in enumerate(ROLES.items(), 1)]
    rest = [_guest(number, f"app-{number}", ("trusted_ca",), _services(number, guests)) for number in _rest(guests)]
    return Estate(settings=settings, hypervisors=(hypervisor,), guests=(*core, *rest))


def _rest(guests: int) -> range:
    return range(len(ROLES) + 1, guests + 1)


def _services(number: int, guests: int) -> dict[str, Service]:
    others = _rest(guests)
    clients = {f"app-{others[number * step % len(others)]}": None for step in (7, 13)}
    return {
        f"web-{number}": Service(port=8000 + number % 40, expose=True),
        f"db-{number}": Service(port=9000 + number % 7, scheme="tcp", clients=tuple(clients)),
    }


def _guest(number: int, name: str, groups: tuple[str, ...], services: dict[str, Service]) -> Guest:
    return Guest(
        name=name,
        groups=("vm" if number % 4 == 0 else "lxc", *groups),
        vmid=100 + number,
        address=FIRST + number,
        kind="vm" if number % 4 == 0 else "lxc",
        hypervisor="pve",
        storage="pool",
        services=services,
    )


if __name__ == "__main__":
    sys.exit(main())
