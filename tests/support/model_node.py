"""A node without real guests: runs of guests' and firewall's stages against fakepve, and snapshots of what is on it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from phoenix.connections.links import Links
from phoenix.connections.ssh import Completed
from phoenix.connections.waits import Waits
from phoenix.estate import Estate
from phoenix.pve.guests import GUEST_LISTS
from phoenix.run import Stage, Step, hypervisors
from phoenix.run.context import Consent
from phoenix.run.record import RunRecord
from phoenix.run.runner import Runner
from phoenix.run.start import Scope, begin
from phoenix.runbooks.deploy import deployment
from phoenix.tasks.firewall.apply import apply_firewall, prepare_cluster_sets
from phoenix.tasks.hosts.guest import create_guest
from phoenix.tasks.hosts.removal import remove_undeclared
from phoenix.tasks.support.guests import list_guests
from tests.support.pve_schema_server import Recorder, Server

CLUSTER = "cluster/firewall"
PCT_SET = re.compile(r"^pct set (?P<vmid>\d+) (?P<words>.+)$", re.MULTILINE)
Chain = Callable[[Estate], Sequence[Stage]]


class ModelNode:
    """A node that executes requests of the API and `pct set`; its guests run no program."""

    def __init__(self, server: Server, node: str = "node") -> None:
        self.server = server
        self.node = node
        self.client = Recorder(server.access(), "pve")
        self.scripts: list[str] = []
        self.waits = Waits()

    def take(
        self,
        estate: Estate,
        chain: Chain,
        *,
        targets: frozenset[str] | None = None,
        consent: Consent | None = None,
        dry_run: bool = False,
        stopped: frozenset[int] = frozenset(),
    ) -> RunRecord:
        """Take the stages of a chain, with the guests as preflight lists them; some are taken for stopped."""
        names = frozenset(host.name for host in estate.hosts()) if targets is None else targets
        record, scope = RunRecord(), Scope(names, dry_run=dry_run, workers=4, consent=consent or Consent())
        nornir, run = begin(Links(estate, {}), {}, scope)
        run.links = cast("Links", self)
        listed = list_guests(self.client, self.node)
        run.guests.learn(replace(one, status="stopped") if one.vmid in stopped else one for one in listed)
        Runner(nornir, run, record, lambda _host, _task: None).take(chain(estate))
        return record

    def run(self, script: str, limit: float = 120.0) -> Completed:
        """Run a script on the node or in a guest: note it, and execute `pct set`."""
        assert limit > 0
        self.scripts.append(script)
        for match in PCT_SET.finditer(script):
            self._set(int(match["vmid"]), shlex.split(match["words"]))
        return Completed(0, "", "")

    def _set(self, vmid: int, words: list[str]) -> None:
        config = next(ct for ct in self.server.pve.cts if ct.vmid == vmid).config
        for option, value in zip(words[::2], words[1::2], strict=True):
            if option == "-delete":
                for key in value.split(","):
                    config.pop(key, None)
            else:
                config[option.removeprefix("-")] = value

    def snapshot(self) -> dict[str, Any]:
        """Everything on the node: guests with their configuration and firewall, and the cluster's firewall."""
        found: dict[str, Any] = {"cluster": self._firewall(CLUSTER)}
        for guest in list_guests(self.client, self.node):
            base = f"nodes/{self.node}/{GUEST_LISTS[guest.kind]}/{guest.vmid}"
            config = {item["key"]: item["value"] for item in self.client.get(f"{base}/pending") if "value" in item}
            found[str(guest.vmid)] = {
                "status": guest.status,
                "config": {key: value for key, value in config.items() if key != "digest"},
                "firewall": self._firewall(f"{base}/firewall"),
            }
        return found

    def _firewall(self, base: str) -> dict[str, Any]:
        get = self.client.get
        volatile = {"pos", "digest"}
        rules = [{key: value for key, value in rule.items() if key not in volatile} for rule in get(f"{base}/rules")]
        names = [one["name"] for one in get(f"{base}/ipset")]
        sets = {name: [entry["cidr"] for entry in get(f"{base}/ipset/{name}")] for name in names}
        aliases = {one["name"]: one["cidr"] for one in get(f"{base}/aliases")}
        listed = get(f"{base}/groups") if base == CLUSTER else []
        groups = {one["group"]: get(f"{base}/groups/{one['group']}") for one in listed}
        return {"rules": rules, "sets": sets, "aliases": aliases, "groups": groups}

    def reconnected(self) -> ModelNode:
        """New connections are the same ones."""
        return self

    def api(self, _hypervisor: str) -> Recorder:
        """The one client."""
        return self.client

    def shell(self, _name: str) -> ModelNode:
        """A shell to whatever."""
        return self

    def clone_queue(self, _hypervisor: str, _vmid: int) -> AbstractContextManager[None]:
        """This node does not lock its templates."""
        return nullcontext()

    def is_elsewhere(self, _guest: object) -> bool:
        """Nobody is elsewhere."""
        return False

    def public_key(self, _hypervisor: str) -> str:
        """The controller's key."""
        return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1+/= phoenix"

    def forget(self, _name: str) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


def model_server(folder: Path, node: str = "node") -> Server:
    """A fakepve with the node, the storages and the images of the small estates of tests."""
    server = Server(folder)
    server.pve.nodes = {node: {"online": True}}
    pool = {"type": "dir", "active": 1, "content": "rootdir,images", "files": set(), "total": 2**40, "volumes": {}}
    image = {"content": "vztmpl", "format": "tzst", "size": 2**20, "ctime": 0}
    server.pve.storages |= {"pool": {**pool, "path": "/pool"}}
    server.pve.storages["local"]["volumes"] |= {"vztmpl/x": dict(image), "import/x.img": {**image, "content": "import"}}
    return server


def building(estate: Estate) -> tuple[Stage, ...]:
    """The stages of a deployment that make sets, templates and guests, remove guests, and write the firewall."""
    made = [
        Stage(stage.name, tuple(step for step in stage.steps if step.task in (create_guest, remove_undeclared)))
        for stage in deployment(estate)
        if any(step.task in (create_guest, remove_undeclared) for step in stage.steps)
    ]
    sets = Stage("sets", (Step(prepare_cluster_sets, hypervisors, for_guests=True),))
    return (sets, *made, Stage("firewall", (Step(apply_firewall, hypervisors, for_guests=True),)))
