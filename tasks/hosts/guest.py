"""Guests on the hypervisor: created stopped, given their firewall, then started; later changed in place."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.converge import Change, PartialFailureError, Plan
from phoenix.derive.guests import bind_mounts, creation, options
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest, Machine, Template
from phoenix.pve.paths import path_of
from phoenix.pve.properties import differences
from phoenix.run import Planned, Run
from phoenix.tasks.firewall.apply import write_new_guest
from phoenix.tasks.hosts.guest_plan import (
    GuestPlan,
    SeenMachine,
    disk_of,
    disk_size,
    plan_machine,
    plan_removal,
    title,
)
from phoenix.tasks.hosts.ready import wait_until_ready

CREATE_SECONDS = 600.0
STATE_SECONDS = 180.0


def plan_guest(run: Run, machine: Guest | Template) -> GuestPlan:
    """Read the guest's configuration and compare it with the inventory."""
    return plan_machine(run.estate, machine, _options(run, machine), _observe(run, machine))


def apply_guest(run: Run, machine: Guest | Template, plan: GuestPlan) -> Plan:
    """Create the guest, or change it in place, and start it; PartialFailureError gives what was changed before."""
    return _Application(run, machine).apply(plan)


def plan_destruction(run: Run, machine: Guest | Template) -> Plan:
    """Plan the removal of the guest with its disks."""
    return plan_removal(machine, exists=machine.vmid in run.guests)


def apply_destruction(run: Run, machine: Guest | Template, plan: Plan) -> Plan:
    """Stop and remove the guest with its disks. Directories of the hypervisor that were mounted in it stay."""
    api, base = run.links.api(machine.hypervisor), path_of(run.estate, machine)
    run.drop_session(machine.name)
    if run.guests.is_running(machine.vmid):
        api.run("post", f"{base}/status/stop", STATE_SECONDS)
    api.run("delete", base, STATE_SECONDS, purge=1)
    run.guests.forget(machine.vmid)
    return plan


create_guest = Planned("create_guest", plan_guest, apply_guest)
"""Create the guest, or change in place what differs. A guest ends up running, a template stopped."""

destroy_guest = Planned("destroy_guest", plan_destruction, apply_destruction)
"""Stop and remove the guest with its disks; directories of the hypervisor that were mounted in it stay."""


def _observe(run: Run, machine: Guest | Template) -> SeenMachine | None:
    if machine.vmid not in run.guests:
        return None
    config = run.links.api(machine.hypervisor).get(f"{path_of(run.estate, machine)}/config")
    return SeenMachine(config, run.guests.is_running(machine.vmid))


def _options(run: Run, machine: Machine) -> dict[str, str]:
    found = options(run.estate, machine)
    if machine.kind == "vm" and isinstance(machine, Guest):
        found["sshkeys"] = quote(run.links.public_key(machine.hypervisor), safe="")
    return found


class _Application:
    """The application of one plan; `made` are the changes so far, the current one included."""

    def __init__(self, run: Run, machine: Guest | Template) -> None:
        self._run = run
        self._machine = machine
        self._api: ProxmoxClient = run.links.api(machine.hypervisor)
        self._base = path_of(run.estate, machine)
        self._restarts: tuple[Change, ...] = ()

    def apply(self, plan: GuestPlan) -> Plan:
        before = plan.changes[:-1] if plan.starts else plan.changes
        try:
            if plan.creates:
                self._create()
            else:
                self._update(plan)
        except Exception as error:
            raise PartialFailureError((*before, *self._restarts), error) from error
        try:
            if plan.starts:
                self._start()
        except Exception as error:
            raise PartialFailureError(plan.changes, error) from error
        return Plan((*before, *self._restarts, *plan.changes[len(before) :]))

    def _create(self) -> None:
        run, machine, api = self._run, self._machine, self._api
        if machine.clone_of:
            self._clone()
            config = api.get(f"{self._base}/config")
            self._send(differences(_options(run, machine), config))
            self._grow(config)
        else:
            values = {**creation(machine), **_options(run, machine)}
            api.run("post", self._base.rpartition("/")[0], CREATE_SECONDS, vmid=machine.vmid, **values)
            if machine.kind == "vm":
                self._grow(api.get(f"{self._base}/config"))
        if isinstance(machine, Template):
            api.run("post", f"{self._base}/template", STATE_SECONDS)
        else:
            self._mount(machine, bind_mounts(run.estate, machine))
            write_new_guest(run, api, machine)
        run.guests.note(machine, "stopped")

    def _clone(self) -> None:
        machine = self._machine
        origin = self._run.estate.host(str(machine.clone_of))
        if not isinstance(origin, Template) or origin.vmid not in self._run.guests:
            raise TaskFailedError(
                f"its template {machine.clone_of} does not exist on the hypervisor: deploy that first"
            )
        name = {"hostname" if machine.kind == "lxc" else "name": machine.name}
        source = path_of(self._run.estate, origin)
        target = {"newid": machine.vmid, "full": 1, "storage": machine.storage, **name}
        self._api.run("post", f"{source}/clone", CREATE_SECONDS, **target)

    def _update(self, plan: GuestPlan) -> None:
        machine = self._machine
        self._send(plan.options)
        if plan.grows:
            self._grow({})
        if isinstance(machine, Guest) and (plan.options or plan.grows or plan.mounts):
            self._mount(machine, plan.mounts)
            if self._run.guests.is_running(machine.vmid) and self._has_pending():
                self._restart(machine)

    def _send(self, values: Mapping[str, str]) -> None:
        if values and self._machine.kind == "vm":
            self._api.run("post", f"{self._base}/config", STATE_SECONDS, **values)
        elif values:
            self._api.put(f"{self._base}/config", **values)

    def _grow(self, config: Mapping[str, Any]) -> None:
        machine = self._machine
        if disk_size(machine, config) < machine.disk:
            disk = {"disk": disk_of(machine), "size": f"{machine.disk}G"}
            self._api.run("put", f"{self._base}/resize", STATE_SECONDS, **disk)

    def _mount(self, guest: Guest, mounts: Mapping[str, str]) -> None:
        """Bind directories into the container; Proxmox VE allows this to root on the node only, so it goes over SSH."""
        if not mounts:
            return
        words = " ".join(f"-{key} {shlex.quote(value)}" for key, value in mounts.items())
        script = f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\npct set {guest.vmid} {words}"
        done = self._run.session(guest.hypervisor).run(script)
        if done.status:
            raise TaskFailedError(f"pct set {guest.vmid} {words} failed: {done.err.strip()[-300:]}")

    def _has_pending(self) -> bool:
        return any("pending" in item or "delete" in item for item in self._api.get(f"{self._base}/pending"))

    def _restart(self, guest: Guest) -> None:
        self._restarts = (Change(title(guest), "restart", "some settings take effect only after a restart"),)
        self._api.run("post", f"{self._base}/status/reboot", STATE_SECONDS)
        self._run.drop_session(guest.name)
        wait_until_ready(self._run, guest)

    def _start(self) -> None:
        run, machine = self._run, self._machine
        try:
            self._api.run("post", f"{self._base}/status/start", STATE_SECONDS)
        except ApiError as error:  # a killed run may have left its start to Proxmox, which has finished it since
            if "already running" not in str(error):
                raise
        run.guests.note(machine, "running")
        run.drop_session(machine.name)
        if isinstance(machine, Guest):
            wait_until_ready(run, machine)
