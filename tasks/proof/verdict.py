"""What was observed of a route → whether it answers, else the first broken link: what, where, and what to do. Pure.

An answer is one of the application's own. Edge and mesh also make answers (404, 502, 504). A status that they could
have made counts only if the service, asked directly, gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from phoenix.derive.route_probes import BackendListener, RouteProbe
from phoenix.tasks.proof.reply import Listening, Reply, RouteReplies

RouteState = Literal[
    "answers", "not running", "not listening", "listens elsewhere", "dropped", "certificate", "silent", "status",
    "misrouted", "unresolved",
]  # fmt: skip
GATEWAY_ERRORS = frozenset({502, 503, 504})
"""Statuses that a proxy gives for a server that it does not reach (RFC 9110, section 15.6)."""
FIND_RULE = "Find the rule with `phoenix matrix`."
PROGRAM_STATES = frozenset[RouteState]({"not listening", "listens elsewhere", "silent", "status"})
"""States for which the program of the service is responsible."""


@dataclass(frozen=True)
class RouteVerdict:
    """Whether a route answers. `text` is the problem for a person; `at` the guest or node that has it.

    `is_failure` is false for the program of an external workload, which is the operator's to run.
    """

    name: str
    state: RouteState
    at: str
    text: str = ""
    is_failure: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.text else self.name


def judge(probe: RouteProbe, seen: RouteReplies) -> RouteVerdict:
    """Find the first broken link of a route: edge and mesh themselves, the service, the way to it, the name."""
    failing = [one for one in probe.entries if not _passes(probe, one, seen)]
    for entry in failing:
        if problem := _at_entry(probe, entry, seen.entries.get(entry.guest), seen):
            return problem
    if failing:
        return _at_service(probe, failing[-1], seen.entries[failing[-1].guest], seen)
    mesh = probe.entries[-1]
    if seen.address is not None and seen.address != mesh.address:
        answer = f"resolves to {seen.address}, not to" if seen.address else "does not resolve to"
        text = f"{mesh.node} {answer} {mesh.address}. Deploy its DNS: `phoenix deploy --target {mesh.node}`."
        return RouteVerdict(probe.name, "unresolved", mesh.node, f"on {text}", is_failure=True)
    return RouteVerdict(probe.name, "answers", mesh.guest)


def is_answer(probe: RouteProbe, reply: Reply, backend: Reply | None) -> bool:
    """Tell whether a reply through edge or mesh is an answer of the application."""
    if reply.kind != "status" or not probe.accepts(reply.status):
        return False
    return reply.is_good or (backend is not None and backend.kind == "status" and backend.status == reply.status)


def _passes(probe: RouteProbe, entry: BackendListener, seen: RouteReplies) -> bool:
    return entry.guest in seen.entries and is_answer(probe, seen.entries[entry.guest], seen.backend)


def _at_entry(
    probe: RouteProbe, entry: BackendListener, reply: Reply | None, seen: RouteReplies
) -> RouteVerdict | None:
    """The problem of edge or mesh itself; None if it takes requests."""
    if reply is None:
        return _problem(probe, "silent", entry, f"{entry} could not be asked from {entry.node}. Run again.")
    if reply.kind == "unconnected":
        return _unconnected(probe, entry, reply, seen)
    if reply.kind == "certificate":
        return _certificate(probe, entry, probe.name)
    return None


def _at_service(probe: RouteProbe, entry: BackendListener, reply: Reply, seen: RouteReplies) -> RouteVerdict:
    """The problem of the service, or of the way from edge or mesh to it."""
    service, direct = probe.backend, seen.backend
    if service is None or direct is None:
        return _unanswered(probe, entry, reply)
    if direct.kind == "unconnected":
        return _unconnected(probe, service, direct, seen)
    if direct.kind == "certificate":
        return _certificate(probe, service, probe.route.server_name)
    if direct.kind == "silent" or not probe.accepts(direct.status):
        return _unanswered(probe, service, direct)
    return _on_the_way(probe, entry, reply)


def _on_the_way(probe: RouteProbe, entry: BackendListener, reply: Reply) -> RouteVerdict:
    """The service answers, but not through edge or mesh."""
    mesh = probe.entries[-1]
    after = probe.backend if entry == mesh else mesh.guest
    if reply.kind == "silent" or reply.status in GATEWAY_ERRORS:
        text = f"{entry.guest} does not reach {after}, which answers {_node(probe)}: a firewall drops it, or it hangs. "
        return _problem(probe, "dropped", entry, f"{text}{FIND_RULE}")
    text = f"{entry.guest} ({entry}) answers {reply.status} itself, but the service answers {_node(probe)}. "
    return _problem(probe, "misrouted", entry, f"{text}Deploy {entry.guest}: `phoenix deploy --target {entry.guest}`.")


def _node(probe: RouteProbe) -> str:
    return probe.backend.node if probe.backend else probe.entries[-1].node


def _unconnected(probe: RouteProbe, at: BackendListener, reply: Reply, seen: RouteReplies) -> RouteVerdict:
    """No TCP connection: the guest is off, nothing listens, or the packets are dropped."""
    listening = seen.listening.get(at.guest)
    if listening is None:
        how = "refuses connections" if reply.is_refused else "does not answer"
        return _problem(probe, "silent", at, f"{at} {how}, and {at.guest} could not be asked what listens. Run again.")
    if not listening.runs:
        return _problem(probe, "not running", at, f"{at.guest} ({at.address}) does not run. Start it.")
    if listening.at(at.port, at.address):
        text = f"{at.guest} listens on {at}, but connections from {at.node} are dropped."
        return _problem(probe, "dropped", at, f"{text} {FIND_RULE}")
    return _not_listening(probe, at, reply, listening)


def _not_listening(probe: RouteProbe, at: BackendListener, reply: Reply, listening: Listening) -> RouteVerdict:
    others = sorted(listening.addresses.get(at.port, ()))
    if others:
        text = f"the program listens on {', '.join(others)} port {at.port} only. Make it listen on {at}."
        return _problem(probe, "listens elsewhere", at, text)
    how = "refused" if reply.is_refused else "no answer"
    return _problem(probe, "not listening", at, f"nothing listens on {at} ({how}). {_start(probe, at)}")


def _start(probe: RouteProbe, at: BackendListener) -> str:
    if at != probe.backend:
        return f"Deploy {at.guest}: `phoenix deploy --target {at.guest}`."
    if probe.external:
        return "Start its program, which is external."
    if probe.starts:
        return f"Look at the log of its program on {at.guest}."
    return "Start its program, or say `workload: external`."


def _certificate(probe: RouteProbe, at: BackendListener, name: str) -> RouteVerdict:
    text = f"{at.guest} ({at}) presents no valid certificate for {name}. Look at it with `phoenix audit`, or deploy it:"
    return _problem(probe, "certificate", at, f"{text} `phoenix deploy --target {at.guest}`.")


def _unanswered(probe: RouteProbe, at: BackendListener, reply: Reply) -> RouteVerdict:
    path = probe.route.health
    if reply.kind == "status":
        wanted = "2xx or 3xx is expected, because `health` names it" if at == probe.backend and probe.checked else ""
        text = f"{at.guest} ({at}) answers {reply.status} to {path}{f'; {wanted}' if wanted else ''}. Look at its log."
        return _problem(probe, "status", at, text)
    return _problem(probe, "silent", at, f"{at} accepts connections, but does not answer {path}. Look at its log.")


def _problem(probe: RouteProbe, state: RouteState, at: BackendListener, text: str) -> RouteVerdict:
    is_failure = not (probe.external and at == probe.backend and state in PROGRAM_STATES)
    return RouteVerdict(probe.name, state, at.guest, text, is_failure)
