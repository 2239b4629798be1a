"""Real connection attempts from inside hosts, all at once, without installing a program there.

The node's Perl runs in the network namespaces of its containers; a virtual machine uses its own Perl.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast, get_args

from phoenix.connections.shell import Shell
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.estate import Estate, Guest
from phoenix.pve.firewall.query.attempt import Attempt, AttemptOutcome, AttemptResult, disagreements
from phoenix.pve.firewall.query.matrix import Matrix
from phoenix.templating import program, shell_program

BATCH = 400
"""The number of concurrent attempts of one host."""
SECONDS, AGAIN = 1, 3
"""The timeout of an attempt, and of the second attempt after an unexpected outcome, in seconds."""
PAUSE = 6
"""Seconds before the second attempts. The kernel has one table of neighbours for all containers of a node and 1024
entries by default (arp(7), gc_thresh3). The first attempts may fill it; entries unused for 5 s are replaced.
"""
Shells = Callable[[str], Shell]


def try_all(estate: Estate, matrix: Matrix, shells: Shells, *, full: bool = False) -> list[AttemptResult]:
    """Make every attempt; repeat those with an unexpected outcome once, after a pause and with a longer timeout."""
    attempts = matrix.attempts(full=full)
    outcomes: dict[Attempt, AttemptOutcome] = dict.fromkeys(attempts, "untried")
    outcomes |= _tried(estate, attempts, shells, SECONDS)
    if odd := [result.attempt for result in disagreements(matrix.compare(outcomes))]:
        time.sleep(PAUSE)
        outcomes |= _tried(estate, odd, shells, AGAIN)
    return matrix.compare(outcomes)


def _tried(estate: Estate, attempts: Iterable[Attempt], shells: Shells, limit: int) -> dict[Attempt, AttemptOutcome]:
    own: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        own.setdefault(attempt.source, []).append(attempt)
    nodes: dict[str, dict[str, list[Attempt]]] = {}
    for name, asked in own.items():
        host = estate.host(name)
        carrier = host.hypervisor if isinstance(host, Guest) and host.kind == "lxc" else name
        nodes.setdefault(carrier, {})[name] = asked
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        found = pool.map(lambda carrier: _from_one(estate, shells, carrier, nodes[carrier], limit), nodes)
        return {attempt: outcome for part in found for attempt, outcome in part.items()}


def _from_one(
    estate: Estate, shells: Shells, carrier: str, asked: Mapping[str, Sequence[Attempt]], limit: int
) -> dict[Attempt, AttemptOutcome]:
    """Make the attempts of one shell: those of its own host and of the containers on it."""
    containers = {host.name: host.vmid for host in map(estate.host, asked) if isinstance(host, Guest)}
    script = shell_program(
        "firewall/attempts.sh",
        program=program("firewall/attempts.pl"),
        limit=limit,
        at_once=BATCH,
        hosts=(f"{name}={'' if name == carrier else containers[name]}" for name in asked),
        attempts="\n".join(
            f"{name} {one.proto} {one.address} {one.port}" for name, attempts in asked.items() for one in attempts
        ),
    )
    most = max(map(len, asked.values()))
    try:
        done = shells(carrier).run(script, (limit + 2) * (1 + most // BATCH) + 15)
    except ConnectionFailedError:
        return {}
    known = {(name, one.proto, one.address, str(one.port)): one for name, attempts in asked.items() for one in attempts}
    found: dict[Attempt, AttemptOutcome] = {}
    for line in done.out.splitlines():
        *what, outcome = line.split()
        if (one := known.get(cast("tuple[str, str, str, str]", tuple(what)))) and outcome in get_args(AttemptOutcome):
            found[one] = cast("AttemptOutcome", outcome)
    return found
