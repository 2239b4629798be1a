"""The mesh's certificates: Traefik gets them by ACME; what it does not notice by itself is seen to here.

Traefik reads its storage and looks for what is due only when it starts, and forgets nothing; its unit makes a restart
lossless, so that each of these is a restart with another storage, or with another point of renewal.
"""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Iterator, Mapping

from nornir.core.task import Result, Task

from phoenix.converge import Change, Observation, Probe
from phoenix.derive.routes import routes
from phoenix.pki.acme_storage import StoragePlan, plan_storage, read_storage
from phoenix.pki.x509.validity import utc_now
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.support.converging import converge

CONFIG = "/etc/traefik/traefik.yml"
DYNAMIC = "/etc/traefik/dynamic"
STORAGE = "/etc/traefik/acme.json"
UNIT = "traefik.service"
SUBJECT = "mesh certificates"
TITLE = "certificates of the mesh"

TORN = "torn"
LOOK = f"""grep -E '"(main|certificate)": ' {STORAGE}
[ ! -s {STORAGE} ] || [ "$(tail -n 1 {STORAGE})" = '}}' ] || echo {TORN}"""
"""Traefik writes its storage in place: a full disk, or a loss of power, leaves a part of it."""

FUNCTIONS = f"""
# forget NAMES [account]: takes certificates, and the account with the authority, out of the storage.
forget() {{
  systemctl stop {UNIT} && awk -v drop=" $1 " -v account="${{2-}}" '
    account && /^    "Account": \\{{/ {{ print "    \\"Account\\": null,"; skip = 1; next }}
    skip {{ if (/^    }}/) skip = 0; next }}
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
  ' {STORAGE} >{STORAGE}.new && chmod 600 {STORAGE}.new && chown --reference={STORAGE} {STORAGE}.new &&
    mv -fT {STORAGE}.new {STORAGE} || {{ systemctl start {UNIT}; fail "{STORAGE} could not be edited"; return 1; }}
  start_unit {UNIT}
}}

# good NAME: its certificate is of the present issuer, if that is known, not nearly over, and none that was to go.
good() {{
  sed -n "/\\"main\\": *\\"$1\\"/,/\\"certificate\\":/s/^ *\\"certificate\\": *\\"\\(.*\\)\\".*/\\1/p" \\
    {STORAGE} >"$work/stored" && [ -s "$work/stored" ] && ! grep -sqFf "$work/stored" "$work/old" || return 1
  base64 -d <"$work/stored" >"$work/leaf" || return 1
  openssl x509 -in "$work/leaf" -noout -checkend "$spare" || return 1
  [ ! -s "$work/issuer" ] || openssl verify -partial_chain -trusted "$work/issuer" "$work/leaf"
}} >/dev/null 2>&1

# await NAME...: until each has a good certificate; an account that the authority does not know is made anew.
await() {{
  began=$(date +%s) forgotten=
  while [ $(($(date +%s) - began)) -lt 60 ]; do
    lacking=
    for name; do good "$name" || lacking="$lacking $name"; done
    [ -n "$lacking" ] || return 0
    sleep 0.3
    if [ -z "$forgotten" ] && [ $(($(date +%s) - began)) -ge 5 ]; then
      forgotten=asked
      running=traefik-$(systemctl show --property=InvocationID --value {UNIT}).service
      if journalctl -q -u "$running" -g accountDoesNotExist -n 1 | grep -q .; then
        forget "" account || return 1
      fi
    fi
  done
  journalctl -u 'traefik*' -n 40 --no-pager -o cat | grep -i acme | tail -n 2
  fail "no certificate by ACME within 60 s for$lacking"
}}

# renew_all NAME...: Traefik is told to renew whatever ends within 120 days, as it does at its start, and serves the
# old ones meanwhile.
renew_all() {{
  grep '"certificate":' {STORAGE} >"$work/old"
  cp -a {CONFIG} "$work/usual" && sed -i 's/certificatesDuration: .*/certificatesDuration: 8760/' {CONFIG} || return 1
  restart_unit {UNIT} && await "$@"
  renewed=$?
  cp -a "$work/usual" {CONFIG}.new && mv -fT {CONFIG}.new {CONFIG} && restart_unit {UNIT} && return $renewed
}}
"""


class MeshCertificates:
    """A good certificate for every route in the mesh's storage, and no other; `replaced` names get another key."""

    def __init__(self, run: Run, replaced: tuple[str, ...] = ()) -> None:
        self.run = run
        self.wanted = {route.name: route.hosts for route in routes(run.estate)}
        self.replaced = replaced

    def probes(self) -> tuple[Probe, ...]:
        """Ask for names and certificates of the storage; keys are not read out."""
        return (Probe("command", SUBJECT, LOOK), Probe("unit", UNIT))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Take out what cannot stay, renew what is stale, ask for what is missing; wait until all is there."""
        mesh = self.run.estate.settings.ca.mesh
        said = seen.outputs.get(SUBJECT, "")
        if TORN in said.splitlines():
            return self._anew()
        verdict = plan_storage(read_storage(said), self.wanted, self.run.authority, mesh, utc_now())
        reasons = {name: drop.reason for name, drop in verdict.dropped.items()}
        dropped = {**dict.fromkeys(self.replaced, "it is replaced"), **reasons}
        missing = [*verdict.missing, *(name for name in dropped if name in self.wanted)]
        return tuple(self._changes(seen, verdict, dropped, missing))

    def _anew(self) -> tuple[Change, ...]:
        empty = f"systemctl stop {UNIT} && : >{STORAGE} && start_unit {UNIT}"
        wait = self._with_functions(f"await {_words([*self.wanted])}")
        return (
            Change(TITLE, "remove", f"{STORAGE} is not whole", script=empty),
            Change(TITLE, "issue", ", ".join(self.wanted), script=wait),
        )

    def _changes(
        self, seen: Observation, verdict: StoragePlan, dropped: Mapping[str, str], missing: list[str]
    ) -> Iterator[Change]:
        if dropped:
            account = "account" if verdict.account_is_stale else ""
            script = f"forget {shlex.quote(' '.join(dropped))} {account}"
            yield Change(TITLE, "remove", _reasons(dropped), script=self._with_functions(script))
        elif verdict.missing and not verdict.renewed and self._gave_up(seen, verdict.missing):
            reason = "it has no certificate for " + ", ".join(verdict.missing)
            yield Change(f"unit {UNIT}", "restart", reason, script=f"restart_unit {UNIT}")
        if verdict.renewed:
            script = f"renew_all {_words([*verdict.renewed, *missing])}"
            yield Change(TITLE, "renew", _reasons(verdict.renewed), script=self._with_functions(script))
        elif missing:
            script = self._with_functions(f"await {_words(missing)}")
            yield Change(TITLE, "issue", ", ".join(missing), script=script)

    def _gave_up(self, seen: Observation, missing: tuple[str, ...]) -> bool:
        """Tell whether it runs and was already told of a missing name, so that it must have given up."""
        unit = seen.units.get(UNIT)
        texts = [seen.text(path) or "" for path in seen.contents if path.startswith(DYNAMIC)]
        told = any(f"main: {name}\n" in text for name in missing for text in texts)
        return unit is not None and unit.active == "active" and told

    def _with_functions(self, script: str) -> str:
        authority, mesh = self.run.authority, self.run.estate.settings.ca.mesh
        issuer = b64encode((authority.issuer or "").encode() if authority else b"").decode()
        spare = int(mesh.before.total_seconds()) // 2
        return f"{FUNCTIONS}\nspare={spare}\nprintf %s '{issuer}' | base64 -d >\"$work/issuer\"\n{script}"


def renew_mesh_certificates(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Have every certificate of the mesh signed by what signs now, while the old ones are served."""
    return converge(task, MeshCertificates(run), dry_run=dry_run)


def replace_mesh_certificate(task: Task, run: Run, name: str, *, dry_run: bool | None = None) -> Result:
    """Replace a name's certificate and its key; connections wait until there is the new one."""
    known = MeshCertificates(run).wanted
    if name not in known:
        raise TaskFailedError(f"the mesh has no certificate for {name}; it has {', '.join(known)}")
    return converge(task, MeshCertificates(run, (name,)), dry_run=dry_run)


def _reasons(names: Mapping[str, str]) -> str:
    reasons = dict.fromkeys(names.values())
    return "; ".join(f"{', '.join(name for name in names if names[name] == why)}: {why}" for why in reasons)


def _words(names: list[str]) -> str:
    return " ".join(map(shlex.quote, names))
