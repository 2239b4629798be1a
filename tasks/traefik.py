"""The mesh: Traefik with one file a route; it gets its certificates from the authority by ACME."""

from __future__ import annotations

import shlex

from nornir.core.task import Result, Task

from phoenix.converge import (
    Change,
    Daemon,
    Directory,
    Exclusive,
    File,
    Made,
    Observation,
    Probe,
    Resource,
    Unit,
    User,
)
from phoenix.derive.routes import Route, routes
from phoenix.run import Run
from tasks.ca import ca_url
from tasks.converging import BUNDLE_FILE, converge, render

CONFIG = "/etc/traefik/traefik.yml"
DYNAMIC = "/etc/traefik/dynamic"
STORAGE = "/etc/traefik/acme.json"
USER, USER_ID = "traefik", 801

# Traefik serves and renews whatever its storage holds, routed or not, and reads it only when it starts.
PRUNE = """
systemctl stop traefik.service && awk -v drop=" {names} " '
  /^    "Certificates": \\[/ {{ print; inside = 1; n = 0; next }}
  inside && /^    \\]/ {{
    for (i = 1; i <= n; i++) {{ sub(/,$/, "", kept[i]); printf "%s%s\\n", kept[i], (i < n ? "," : "") }}
    inside = 0; print; next
  }}
  inside {{
    if ($0 ~ /^      {{/) {{ block = $0; name = "" }} else block = block "\\n" $0
    if ($1 == "\\"main\\":") {{ name = $2; gsub(/[",]/, "", name) }}
    if ($0 ~ /^      }}/ && index(drop, " " name " ") == 0) kept[++n] = block
    next
  }}
  {{ print }}
' {storage} >{storage}.new && chmod 600 {storage}.new && chown --reference={storage} {storage}.new &&
mv -fT {storage}.new {storage} || {{ systemctl start traefik.service; fail "{storage} could not be pruned"; }}
start_unit traefik.service
"""


class MeshCertificates:
    """A certificate for every route in the mesh's storage; Traefik asks again for missing ones only when it starts."""

    def __init__(self, wanted: tuple[Route, ...]) -> None:
        self.names = tuple(route.name for route in wanted)

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the names of which the storage has certificates; keys are not read out."""
        held = f"""grep -o '"main": *"[^"]*"' {STORAGE} | cut -d'"' -f4"""
        return (Probe("command", "mesh certificates", held),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Start Traefik anew if it runs without a certificate that it should have; wait until it has them all."""
        held = seen.outputs.get("mesh certificates", "").split()
        surplus = [name for name in held if name not in self.names]
        return (*self._removal(surplus), *self._waiting(seen, [name for name in self.names if name not in held]))

    def _removal(self, surplus: list[str]) -> tuple[Change, ...]:
        if not surplus:
            return ()
        names = " ".join(surplus)
        return (Change("certificates of the mesh", "remove", names, script=PRUNE.format(names=names, storage=STORAGE)),)

    def _waiting(self, seen: Observation, missing: list[str]) -> tuple[Change, ...]:
        if not missing:
            return ()
        unit = seen.units.get("traefik.service")
        settled = unit is not None and unit.active == "active" and self._known(seen, missing)
        wait = Change("certificates of the mesh", "issue", ", ".join(missing), script=self._wait())
        if not settled:
            return (wait,)
        again = "it has no certificate for " + ", ".join(missing)
        return (Change("unit traefik.service", "restart", again, script="restart_unit traefik.service"), wait)

    def _known(self, seen: Observation, missing: list[str]) -> bool:
        """Tell whether a missing name is one that Traefik was already told of, so that it must have given up."""
        texts = [seen.text(path) or "" for path in seen.contents if path.startswith(DYNAMIC)]
        return any(f"main: {name}\n" in text for name in missing for text in texts)

    def _wait(self) -> str:
        names = " ".join(map(shlex.quote, self.names))
        return f"""
tries=0
while [ $tries -lt 200 ]; do
  lacking=
  for name in {names}; do grep -q "\\"main\\": *\\"$name\\"" {STORAGE} || lacking="$lacking $name"; done
  [ -n "$lacking" ] || break
  tries=$((tries + 1)); sleep 0.2
done
[ -z "$lacking" ] || {{
  journalctl -u traefik -n 40 --no-pager -o cat | grep -i acme | tail -n 2
  fail "no certificate by ACME within 40 s for$lacking"
}}"""


def configure_traefik(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring the mesh to what the estate's routes say."""
    return converge(task, *traefik_resources(task, run), dry_run=dry_run)


def traefik_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that the mesh's guest should have."""
    estate, wanted = run.estate, routes(run.estate)
    values = {"ca_url": ca_url(estate), "bundle": BUNDLE_FILE, "config": CONFIG, "user": USER}
    static = render(
        task,
        "traefik/traefik.yml.j2",
        edge=estate.guest_with("nginx").address,
        dynamic=DYNAMIC,
        storage=STORAGE,
        email=f"admin@{estate.zone}",
        leaf_hours=estate.settings.ca.mesh.hours,
        **values,
    )
    unit = render(task, "traefik/traefik.service.j2", **values)
    files = tuple(File(f"{DYNAMIC}/{route.service}.yml", _route(task, route)) for route in wanted)
    return (
        User(USER, USER_ID, "/etc/traefik"),
        Directory("/etc/traefik"),
        Directory(DYNAMIC),
        Made(STORAGE, "true", owner=f"{USER}:{USER}"),
        Daemon(
            Unit("traefik.service", unit),
            files=(File(CONFIG, static),),
            watched=(*files, Exclusive(f"{DYNAMIC}/*", tuple(file.path for file in files))),
            probe="curl -fsS http://127.0.0.1:8080/ping",
            on_change="restart",
        ),
        MeshCertificates(wanted),
    )


def _route(task: Task, route: Route) -> str:
    rule = " || ".join(f"Host(`{name}`)" for name in route.hosts)
    return render(task, "traefik/route.yml.j2", route=route, rule=rule, bundle=BUNDLE_FILE)
