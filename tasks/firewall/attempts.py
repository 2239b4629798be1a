"""Real connection attempts from inside hosts, all at once, without installing a program there.

The node's Perl runs in the network namespaces of its containers; a virtual machine uses its own Perl.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import cast, get_args

from phoenix.connections.ssh import ConnectionFailedError
from phoenix.estate import Estate
from phoenix.pve.firewall.query.attempt import Attempt, AttemptOutcome, AttemptResult, Observed, disagreements
from phoenix.pve.firewall.query.matrix import Matrix
from phoenix.tasks.firewall.arrivals import observing
from phoenix.tasks.firewall.carriers import Shells, carriers
from phoenix.tasks.support.at_once import at_once
from phoenix.templating import program, shell_program

BATCH = 400
"""The number of concurrent attempts of one host."""
SECONDS, AGAIN = 1, 3
"""The timeout of an attempt, and of the second attempt after an unexpected outcome, in seconds."""
PAUSE = 6
"""Seconds before the second attempts. The kernel has one table of neighbours for all containers of a node and 1024
entries by default (arp(7), gc_thresh3). The first attempts may fill it; entries unused for 5 s are replaced.
"""


def try_all(estate: Estate, matrix: Matrix, shells: Shells, *, full: bool = False) -> list[AttemptResult]:
    """Make every attempt; repeat those that disagree with the model once, after a pause and with a longer timeout."""
    observed = _observed(estate, matrix, matrix.attempts(full=full), shells, SECONDS)
    if odd := [result.attempt for result in disagreements(matrix.compare(observed))]:
        time.sleep(PAUSE)
        observed |= _observed(estate, matrix, odd, shells, AGAIN)
    return matrix.compare(observed)


def _observed(
    estate: Estate, matrix: Matrix, attempts: Sequence[Attempt], shells: Shells, limit: int
) -> dict[Attempt, Observed]:
    """Make attempts and observe their receivers."""
    hosts = dict.fromkeys(one.dest for one in attempts)
    udp = {one.port for one in attempts if one.proto == "udp"}
    with observing(estate, hosts, udp, shells, duration(attempts, limit)) as arrivals:
        outcomes = _tried(estate, attempts, shells, limit)
    return {one: Observed(outcomes.get(one, "untried"), arrivals.arrived(one, matrix.sources(one))) for one in attempts}


def duration(attempts: Iterable[Attempt], limit: int) -> int:
    """The most seconds that attempts take: hosts work at the same time, each on one batch after the other."""
    most = max(Counter(one.source for one in attempts).values(), default=0)
    return (limit + 2) * (1 + most // BATCH) + 15


def _tried(estate: Estate, attempts: Iterable[Attempt], shells: Shells, limit: int) -> dict[Attempt, AttemptOutcome]:
    own: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        own.setdefault(attempt.source, []).append(attempt)
    places = carriers(estate, own)

    def try_from(carrier: str) -> dict[Attempt, AttemptOutcome]:
        return _from_one(shells, carrier, places[carrier], {name: own[name] for name in places[carrier]}, limit)

    return {one: outcome for part in at_once(try_from, places).values() for one, outcome in part.items()}


def _from_one(
    shells: Shells, carrier: str, places: Mapping[str, str], asked: Mapping[str, Sequence[Attempt]], limit: int
) -> dict[Attempt, AttemptOutcome]:
    """Make the attempts of one shell: those of its own host and of the containers on it."""
    script = shell_program(
        "firewall/attempts.sh",
        program=program("firewall/attempts.pl"),
        limit=limit,
        at_once=BATCH,
        hosts=(f"{name}={vmid}" for name, vmid in places.items()),
        attempts="\n".join(
            f"{name} {one.proto} {one.address} {one.port}" for name, attempts in asked.items() for one in attempts
        ),
    )
    try:
        done = shells(carrier).run(script, duration(chain.from_iterable(asked.values()), limit))
    except ConnectionFailedError:
        return {}
    known = {(name, one.proto, one.address, str(one.port)): one for name, attempts in asked.items() for one in attempts}
    found: dict[Attempt, AttemptOutcome] = {}
    for line in done.out.splitlines():
        *what, outcome = line.split()
        if (one := known.get(cast("tuple[str, str, str, str]", tuple(what)))) and outcome in get_args(AttemptOutcome):
            found[one] = cast("AttemptOutcome", outcome)
    return found
