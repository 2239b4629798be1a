"""The final proof: request every route from the hypervisor, through the edge and directly at the mesh."""

from __future__ import annotations

import shlex

from nornir.core.task import Task

from phoenix.conventions import BUNDLE
from phoenix.converge import Outcome
from phoenix.derive.routes import Route, routes
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.run import Run

PROOF_SECONDS = 45
SHORT_SECONDS = 5  # after a failure of another host most routes are down

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
end=$(($(date +%s) + {limit}))
# An empty message, as gRPC wraps it.
empty=$(mktemp) && printf '\\0\\0\\0\\0\\0' >"$empty"
ask() {{
  name=$1 via=$2 path=$3 good=$4 kind=$5 most=1
  set --
  [ $kind = web ] || set -- --http2 -H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary "@$empty"
  while :; do
    code=$(curl -sS -o /dev/null -w '%{{http_code}}' --max-time $most --cacert {bundle} "$@" \
      --connect-to "::$via:443" "https://$name$path" 2>&1)
    if echo "$code" | grep -Eqx "$good"; then return 0; fi
    [ "$(date +%s)" -lt $end ] || {{ echo "$name by $via: $code"; return 1; }}
    [ $most -ge 8 ] || most=$((most * 2))
    sleep 0.2
  done
}}
{asks}
wait
rm -f "$empty"
"""


def prove_routes(task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
    """Request every route whose host did not fail; a route without a good answer in time fails the run."""
    if task.is_dry_run(dry_run):
        return Outcome(task.host)
    if silent := silent_routes(task, run, BUNDLE):
        raise TaskFailedError(f"routes that do not answer: {silent}")
    return Outcome(task.host)


def silent_routes(task: Task, run: Run, anchors: str) -> str:
    """Request every route whose host did not fail, trusting the file of anchors; list those without a good answer."""
    estate = run.estate
    edge, mesh = estate.guest_with("nginx").address, estate.guest_with("traefik").address
    limit = SHORT_SECONDS if run.failed else PROOF_SECONDS
    asks = [
        f"ask {name} {via} {shlex.quote(route.health)} '{_good(estate, route)}' {_kind(route)} &"
        for route in routes(estate)
        if _host_of(estate, route) not in run.failed
        for name in route.hosts
        for via in (edge, mesh)
    ]
    script = SCRIPT.format(limit=limit, bundle=anchors, asks="\n".join(asks))
    done = run.session(task.host.name).run(script, limit + 20)
    if not done.status and not done.out.strip():
        return ""
    return "; ".join(done.out.strip().splitlines()) or done.err.strip()


def answering(estate: Estate) -> list[str]:
    """The names that answer after a deployment, as URLs."""
    return [f"https://{name}/" for route in routes(estate) for name in route.hosts]


def _host_of(estate: Estate, route: Route) -> str:
    return next(guest.name for guest in estate.guests if route.service in guest.services)


def _kind(route: Route) -> str:
    return "grpc" if route.grpc else "web"


def _good(estate: Estate, route: Route) -> str:
    """A pattern of good HTTP statuses; an external workload may be down."""
    external = any(route.service in guest.services and guest.workload == "external" for guest in estate.guests)
    if route.backend is None:
        return "[23].."
    return "[23]..|40[135]|50[234]" if external else "2.."
