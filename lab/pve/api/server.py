"""The API server of the lab's hypervisor: fakepve with the deploy token, limited to the implemented endpoints.

It saves the model and wakes the packet filter after every write.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import socket
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from phoenix.lab.pve.api.access import Access
from phoenix.lab.pve.api.connections import Connections
from phoenix.lab.pve.api.guest_agent import GuestAgent
from phoenix.lab.pve.api.implemented import IMPLEMENTED, UNSUPPORTED_PARAMETERS
from phoenix.lab.pve.api.node import NodeEndpoints
from phoenix.lab.pve.api.rule_errors import RuleErrors
from phoenix.lab.pve.api.webcert import WebCertificateEndpoints
from phoenix.lab.pve.fake import PveError, schema
from phoenix.lab.pve.guests import bridges
from phoenix.lab.pve.guests.runtime import GuestRuntime
from phoenix.lab.pve.guests.spec import SpecError
from phoenix.lab.pve.model.cloud_init import CloudInit
from phoenix.lab.pve.model.config_changes import ConfigChanges
from phoenix.lab.pve.model.guest_watch import GuestWatch
from phoenix.lab.pve.model.statistics import Statistics
from phoenix.lab.pve.model.storages import storages
from phoenix.lab.pve.packet_filter.compiler import EMPTY, FilterInput
from phoenix.lab.pve.packet_filter.enforcer import BRIDGE, Enforcer, connected_network
from phoenix.lab.pve.packet_filter.files import FirewallFiles
from phoenix.lab.pve.role import NODE, ROLE, TOKEN, USER

log = logging.getLogger("lab.pve")

SOCKET = Path("/run/phoenix-lab-pve.sock")
"""The socket on which the node's root calls the API as root@pam without a password."""
_PREFIX = "/api2/json"
_THREADS = 16
_CLONE_SECONDS = 0.5
"""Seconds that cloning a container takes at least; its source is locked meanwhile."""


class LabPve(
    GuestAgent,
    NodeEndpoints,
    ConfigChanges,
    WebCertificateEndpoints,
    RuleErrors,
    Access,
    Statistics,
    Connections,
    GuestWatch,
):
    """The lab's hypervisor: the API, its model and the guests and filter behind it."""

    def __init__(self, directory: Path, host: str = "0.0.0.0", port: int = 8006) -> None:  # noqa: S104 - its own namespace
        secrets = json.loads((directory / "api.json").read_text())
        super().__init__(user="root@pam", password=secrets["root_password"], host=host, port=port)
        self.version, self.release_version = "8.4.21", "8.4"
        self.time_scale = 1.0
        self.ct_secs["clone"] = _CLONE_SECONDS
        self.idle_limit, self.requests_limit, self.served = 5.0, 100, WeakKeyDictionary()
        self.statistics_interval, self.statistics_off, self.reported = 10.0, directory / "pvestatd-is-off", {}
        self.resolver = Path("/etc/resolv.conf")
        self.nodes = {NODE: {"online": True}}
        self.storages = storages()
        self.acl = {USER: [("/", set(ROLE))], TOKEN: [("/", set(ROLE))]}
        self.apitokens = {TOKEN: secrets["token_secret"]}
        self.max_requests = 100
        self.directory, self.model_file = directory, directory / "model.json"
        self.runtime = GuestRuntime(directory / "workloads.json")
        self.filter = Enforcer(self.filter_input)
        self.firewall_files = FirewallFiles(NODE)
        self.local_network = ""
        self.cloud_init = defaultdict(CloudInit)
        self.root_keys, self.executions, self.background = {}, {}, set()

    async def run(self) -> None:
        """Recover the model, then serve and watch the guests until cancelled."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        self.filter.check()
        bridges.pin_address(BRIDGE)
        loops = [self.filter.run(), self.watch(), self.report_periodically()]
        await self.recover()
        await self.start(str(self.directory / "api.crt"), str(self.directory / "api.key"))
        await self._listen_to_root()
        log.info("ready: https://%s:%s/api2/json, node %s", self.host, self.port, NODE)
        _notify("READY=1")
        await asyncio.gather(*loops)

    async def _listen_to_root(self) -> None:
        SOCKET.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at the start
        mask = os.umask(0o077)
        try:
            await web.UnixSite(self.runner, str(SOCKET)).start()
        finally:
            os.umask(mask)

    # ------------------------------------------------------------ middlewares

    def _build_app(self) -> web.Application:
        app: web.Application = super()._build_app()
        app.middlewares.append(self._refuse_unimplemented)
        app.middlewares.append(self._save_writes)
        return app

    @web.middleware
    async def _refuse_unimplemented(self, request: web.Request, handler: Any) -> web.StreamResponse:
        match = self.resolve(request, _PREFIX) or _member_of_set(request.path)
        if match is None or (request.method, match.template) not in IMPLEMENTED:
            method = f"{request.method} {request.path}"
            raise PveError(501, f"Method '{method}' not implemented: the lab does not really do this")
        if match.template.startswith("/nodes/{node}/") and request.method in ("POST", "PUT"):
            form = {**request.query, **await _fields(request)}
            refused = sorted(UNSUPPORTED_PARAMETERS & form.keys())
            if refused:
                raise PveError(501, f"parameter '{refused[0]}' not implemented: the lab does not really do this")
        response: web.StreamResponse = await handler(request)
        return response

    @web.middleware
    async def _save_writes(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if "/firewall" in request.path:
            self.firewall_files.load(self._fw())
        response: web.StreamResponse = await handler(request)
        if request.method in ("POST", "PUT", "DELETE") and "/agent/" not in request.path:
            self.save()
            if "/firewall" in request.path:
                self.filter.wake(at_once=await _asks_for_trial(request))
        return response

    def filter_input(self) -> FilterInput:
        """Return the firewall configuration from its files and the network interfaces of all guests."""
        firewall = self._fw()
        if self.firewall_files.load(firewall):
            self.save()
        if not self.local_network:
            self.local_network = connected_network()
        nics = []
        for guest in self.all_guests():
            with contextlib.suppress(SpecError):  # a guest with an invalid configuration cannot start
                nics += [(guest.vmid, nic) for nic in self.spec(guest).nics]
        node = firewall["nodes"].get(NODE, EMPTY)
        return FilterInput(firewall["cluster"], node, firewall["guests"], tuple(nics), self.local_network)

    async def _lxc_create(self, user: str, v: dict[str, Any]) -> str:
        if v.get("ssh-public-keys"):
            self.root_keys[int(v["vmid"])] = str(v["ssh-public-keys"])
        privileged = v if v.get("unprivileged") is not None else {**v, "unprivileged": 0}  # PVE 8's default
        upid: str = await super()._lxc_create(user, privileged)
        return upid


def _member_of_set(path: str) -> Any:
    """Return the schema's match for a network in an IP set; the schema itself does not match its unescaped slash."""
    member = re.fullmatch(rf"{_PREFIX}(/.*/ipset/[\w-]+/[^/]+)/\d+", path)
    return schema.load().match(member[1]) if member else None


async def _fields(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}
    return dict(await request.post())


async def _asks_for_trial(request: web.Request) -> bool:
    """Whether the request starts a commit-confirm trial: a cluster ``enable`` above 1 applies at once."""
    if not request.path.endswith("/cluster/firewall/options"):
        return False
    value = str({**request.query, **await _fields(request)}.get("enable", ""))
    return value.isdigit() and int(value) > 1


def _notify(message: str) -> None:
    """Notify systemd if it started this service with Type=notify (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(message.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
