"""Whether guests can reach the mirrors of the packages that they lack; asked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.derive.mirrors import (
    DEFAULT_MIRROR,
    Mirror,
    has_usual_ports,
    mirror_problems,
    open_ports,
    read_mirrors,
)
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.run import Run
from phoenix.tasks.hosts.software import packages_of
from phoenix.tasks.support.at_once import at_once
from phoenix.tasks.support.guests import targeted_guests
from phoenix.templating import shell_program

ASK_SECONDS = 30.0
WORKERS = 8
Need = tuple[tuple[Mirror, ...], tuple[str, ...]]
"""Mirrors and the packages to fetch from them."""
NOTHING: Need = ((), ())


def ask_mirrors(run: Run, hypervisor: Hypervisor) -> Iterator[str]:
    """Name the mirrors that targeted guests need and cannot reach.

    A guest that may connect to the ports of all usual mirrors is not asked. One that does not answer now is judged by
    the later stages.
    """
    guests = {guest.name: guest for guest in targeted_guests(run, hypervisor) if not has_usual_ports(run.estate, guest)}
    yield from mirror_problems(run.estate, at_once(lambda name: _need(run, guests[name]), guests, WORKERS))


def read_need(estate: Estate, text: str) -> Need:
    """Read the output of `guests/package-mirrors.sh`; a proxy replaces the sites that are reached through it."""
    lines = [line.split() for line in text.splitlines()]
    missing = tuple(words[1] for words in lines if words[0] == "missing")
    proxies = {words[1]: words[2] for words in lines if words[0] == "proxy"}
    sites = [proxies.get(words[1].partition(":")[0], words[1]) for words in lines if words[0] == "site"]
    return (read_mirrors(estate, sites), missing) if missing else NOTHING


def _need(run: Run, guest: Guest) -> Need:
    if guest.vmid not in run.guests:
        is_open = DEFAULT_MIRROR.port in open_ports(run.estate, guest)
        return NOTHING if is_open else ((DEFAULT_MIRROR,), packages_of(guest))
    if not run.guests.is_running(guest.vmid):
        return NOTHING
    script = shell_program("guests/package-mirrors.sh", packages=packages_of(guest))
    try:
        return read_need(run.estate, run.session(guest.name).run(script, ASK_SECONDS).out)
    except (ConnectionFailedError, ApiError):
        return NOTHING
