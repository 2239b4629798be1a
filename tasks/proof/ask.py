"""Ask for routes: at edge and mesh, at the service where needed, and what listens where no connection is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from phoenix.connections.ssh import ConnectionFailedError
from phoenix.conventions import BUNDLE
from phoenix.derive.route_probes import BackendListener, RouteProbe
from phoenix.run import Run
from phoenix.tasks.proof.reply import Listening, Reply, RouteReplies, read_listening
from phoenix.tasks.proof.verdict import is_answer
from phoenix.tasks.support.at_once import at_once
from phoenix.templating import program, shell_program

LISTENING_SECONDS = 10
DIRECT_SECONDS = 4
"""The most seconds for a request at a service itself, which only explains why edge and mesh have no answer."""


@dataclass(frozen=True)
class Request:
    """A request for a route at one listener; `url` has the name that the listener's certificate must have."""

    probe: RouteProbe
    at: BackendListener
    url: str

    @property
    def line(self) -> str:
        """The request as a line of templates/proof/routes.sh, without its key."""
        return f"{self.url} {self.at} {'grpc' if self.probe.route.grpc else 'web'}"


def entry_requests(probe: RouteProbe) -> tuple[Request, ...]:
    """The requests at edge and mesh."""
    return tuple(Request(probe, entry, f"https://{probe.name}{probe.route.health}") for entry in probe.entries)


def backend_request(probe: RouteProbe) -> tuple[Request, ...]:
    """The request at the service itself, as the mesh makes it; none for the mesh's own dashboard."""
    if probe.backend is None:
        return ()
    verified = probe.route.verified
    address = f"https://{probe.route.server_name}" if verified else f"http://{probe.name}"
    return (Request(probe, probe.backend, f"{address}{probe.route.health}"),)


class RouteQuestions:
    """Asks for routes in one run; `root` is the only root to trust, in PEM, or empty for the bundle."""

    def __init__(self, run: Run, root: str = "") -> None:
        self._run = run
        self._root = root

    def ask(self, probes: Iterable[RouteProbe], seconds: int) -> dict[RouteProbe, RouteReplies]:
        """Observe each route; a request has that many seconds."""
        wanted = tuple(probes)
        replies, addresses = self._request([one for probe in wanted for one in entry_requests(probe)], seconds)
        seen = {
            probe: RouteReplies(
                {entry.guest: replies[probe, entry] for entry in probe.entries if (probe, entry) in replies},
                addresses.get(probe.name),
            )
            for probe in wanted
        }
        doubtful = [probe for probe in wanted if not _is_good(probe, seen[probe])]
        return seen | self._in_depth({probe: seen[probe] for probe in doubtful}, seconds) if doubtful else seen

    def _in_depth(self, seen: Mapping[RouteProbe, RouteReplies], seconds: int) -> dict[RouteProbe, RouteReplies]:
        """Ask the services themselves, and the guests where no connection was made what listens there."""
        direct = [one for probe in seen for one in backend_request(probe)]
        replies, _ = self._request(direct, min(seconds, DIRECT_SECONDS))
        unconnected = {
            entry.guest
            for probe, one in seen.items()
            for entry in probe.entries
            if entry.guest in one.entries and one.entries[entry.guest].kind == "unconnected"
        } | {listener.guest for (_, listener), reply in replies.items() if reply.kind == "unconnected"}
        answers = at_once(self._listening, sorted(unconnected))
        listening = {guest: answer for guest, answer in answers.items() if answer is not None}
        return {
            probe: replace(
                one, backend=replies.get((probe, probe.backend)) if probe.backend else None, listening=listening
            )
            for probe, one in seen.items()
        }

    def _request(
        self, requests: Iterable[Request], seconds: int
    ) -> tuple[dict[tuple[RouteProbe, BackendListener], Reply], dict[str, str]]:
        """Make requests, each from the node that may; return the replies, and the addresses of names at the mesh's."""
        by_node: dict[str, list[Request]] = {}
        for request in requests:
            by_node.setdefault(request.at.node, []).append(request)
        outputs = at_once(lambda node: self._from(node, by_node[node], seconds), by_node)
        replies: dict[tuple[RouteProbe, BackendListener], Reply] = {}
        addresses: dict[str, str] = {}
        for node, output in outputs.items():
            for line in output.splitlines():
                key, *fields = line.split()
                if key.isdecimal():
                    request = by_node[node][int(key)]
                    replies[request.probe, request.at] = read_reply(fields)
                else:
                    addresses[key] = "".join(fields)
        return replies, addresses

    def _from(self, node: str, requests: list[Request], seconds: int) -> str:
        """The output of a node's requests; empty if the node does not answer."""
        names = dict.fromkeys(one.probe.name for one in requests if one.at == one.probe.entries[-1])
        script = shell_program(
            "proof/routes.sh",
            seconds=seconds,
            anchors=BUNDLE,
            root=self._root,
            requests="\n".join(f"{key} {request.line}" for key, request in enumerate(requests)),
            names=names,
        )
        try:
            return self._run.session(node).run(script, seconds + 20).out
        except ConnectionFailedError:
            return ""

    def _listening(self, guest: str) -> Listening | None:
        """What listens on a guest; None if it cannot be asked."""
        session = self._run.session(guest)
        if session.shell is None:
            return Listening(runs=False)
        try:
            done = session.run(program("proof/listening.sh"), LISTENING_SECONDS)
        except ConnectionFailedError:
            return None
        return read_listening(done.out.splitlines())


def read_reply(fields: list[str]) -> Reply:
    """Parse curl's exit status, the HTTP status and the time of the connection."""
    exit_status, status, connected = fields
    return Reply(int(exit_status), int(status), float(connected) > 0)


def _is_good(probe: RouteProbe, seen: RouteReplies) -> bool:
    return all(
        entry.guest in seen.entries and is_answer(probe, seen.entries[entry.guest], None) for entry in probe.entries
    )
