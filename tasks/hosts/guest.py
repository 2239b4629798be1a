"""Guests on the hypervisor: created stopped, given their firewall, then started; later changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.converge import Change, PartialFailureError, Plan
from phoenix.derive.guests import OPTIONAL, bind_mounts, creation, options
from phoenix.derive.ownership import owner_tag
from phoenix.derive.storage import guest_directory
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest, Machine, Template
from phoenix.pve.guest_config import GuestConfig, read_config
from phoenix.pve.marker import read_marker, write_marker
from phoenix.pve.mounts import MountPlan, plan_mounts
from phoenix.pve.nics import undeclared_nics
from phoenix.pve.options import option_change
from phoenix.pve.paths import path_of
from phoenix.run import Planned, Run
from phoenix.tasks.firewall.apply import complete_firewall, write_new_guest
from phoenix.tasks.firewall.writes import carry_out
from phoenix.tasks.hosts.adoption import stranger
from phoenix.tasks.hosts.disks import disk_of, disk_size
from phoenix.tasks.hosts.guest_options import DESCRIPTION, SeenMachine, marker_of, title
from phoenix.tasks.hosts.guest_plan import GuestPlan, plan_machine
from phoenix.tasks.hosts.ready import wait_until_ready
from phoenix.tasks.support.guests import list_guests
from phoenix.tasks.support.pct import run_pct
from phoenix.templating import program

CREATE_SECONDS = 600.0
STATE_SECONDS = 180.0
SSH_KEYS_SECONDS = 60.0


def plan_guest(run: Run, machine: Guest | Template) -> GuestPlan:
    """Read the guest's configuration and compare it with the inventory."""
    seen = _observe(run, machine)
    if seen and seen.adopts and machine.name not in run.consent.adopted:
        how = f"`phoenix deploy --adopt {machine.name}` takes it over"
        raise TaskFailedError(f"{title(machine)} is not of this estate: {seen.adopts}; {how}")
    if seen and seen.firewall:
        run.rehearsed_firewalls.add(machine.vmid)
    return plan_machine(run.estate, machine, _options(run, machine), seen, may_restart=run.consent.may_restart)


def apply_guest(run: Run, machine: Guest | Template, plan: GuestPlan) -> Plan:
    """Create the guest, or change it in place, and start it; PartialFailureError gives what was changed before."""
    run.rehearsed_firewalls.discard(machine.vmid)
    return _Application(run, machine).apply(plan)


create_guest = Planned("create_guest", plan_guest, apply_guest)
"""Create the guest, or change in place what differs. A guest ends up running, a template stopped."""


def _observe(run: Run, machine: Guest | Template) -> SeenMachine | None:
    status = run.guests.status(machine.vmid)
    if status is None:
        return None
    api = run.links.api(machine.hypervisor)
    config = read_config(api.get(f"{path_of(run.estate, machine)}/pending"))
    waits = isinstance(machine, Guest) and not status.is_running
    firewall = complete_firewall(run, api, machine) if isinstance(machine, Guest) and waits else ()
    return SeenMachine(config, status.is_running, firewall, stranger(run.estate, status, config.next))


def _options(run: Run, machine: Machine) -> dict[str, str]:
    found = options(run.estate, machine)
    if machine.kind == "vm" and isinstance(machine, Guest):
        found["sshkeys"] = quote(run.links.public_key(machine.hypervisor), safe="")
    return found


def _copied(config: GuestConfig) -> dict[str, str | None]:
    """What a clone took over from its template and must not keep: further interfaces, and optional settings."""
    keys = (*(nic.key for nic in undeclared_nics(config.next)), *OPTIONAL)
    return {key: None for key in keys if key in config.next}


class _Application:
    """The application of one plan; `_restarts` are the restarts that the plan did not foresee."""

    def __init__(self, run: Run, machine: Guest | Template) -> None:
        self._run = run
        self._machine = machine
        self._api: ProxmoxClient = run.links.api(machine.hypervisor)
        self._base = path_of(run.estate, machine)
        self._restarts: tuple[Change, ...] = ()

    def apply(self, plan: GuestPlan) -> Plan:
        """Make the changes in their order; each failure gives those that were begun."""
        last = plan.starts or plan.restarts
        before = plan.changes[:-1] if last else plan.changes
        try:
            if plan.creates:
                self._create()
            else:
                self._update(plan)
        except Exception as error:
            raise PartialFailureError(before, error) from error
        try:
            self._run_again(plan)
            if plan.finishes:
                self._finish()
        except Exception as error:
            raise PartialFailureError((*plan.changes, *self._restarts), error) from error
        return Plan((*plan.changes, *self._restarts), plan.notes)

    def _create(self) -> None:
        run, machine, api = self._run, self._machine, self._api
        if machine.clone_of:
            self._clone()
            config = self._config()
            self._send({**_copied(config), **self._missing(config)})
            self._grow()
        else:
            values = {**creation(machine), **_options(run, machine), DESCRIPTION: self._note(unfinished=True)}
            api.run("post", self._base.rpartition("/")[0], CREATE_SECONDS, vmid=machine.vmid, **values)
            if machine.kind == "vm":
                self._grow()
        if isinstance(machine, Guest):
            own = guest_directory(run.estate.hypervisor_of(machine), machine.vmid)
            self._mount(machine, plan_mounts(bind_mounts(run.estate, machine), self._config().next, own))
            write_new_guest(run, api, machine)
        run.guests.note(machine, "stopped")
        self._claim()

    def _clone(self) -> None:
        machine = self._machine
        origin = self._run.estate.host(str(machine.clone_of))
        if not isinstance(origin, Template) or not self._exists(origin):
            raise TaskFailedError(
                f"its template {machine.clone_of} does not exist on the hypervisor: deploy that first"
            )
        name = {"hostname" if machine.kind == "lxc" else "name": machine.name}
        source = path_of(self._run.estate, origin)
        target = {"newid": machine.vmid, "full": 1, "storage": machine.storage, **name}
        if origin.hypervisor != machine.hypervisor:
            target["target"] = self._run.estate.hypervisor_of(machine).node
        with self._run.links.clone_queue(origin.hypervisor, origin.vmid):
            self._api.run("post", f"{source}/clone", CREATE_SECONDS, **target, description=self._note(unfinished=True))

    def _exists(self, template: Template) -> bool:
        """Report whether a template exists; one on a node that is no target of the run was not listed yet."""
        if template.vmid not in self._run.guests and template.hypervisor != self._machine.hypervisor:
            node = self._run.estate.hypervisor_of(template).node
            self._run.guests.learn(list_guests(self._api, node))
        return template.vmid in self._run.guests

    def _note(self, *, unfinished: bool = False) -> str:
        return write_marker("", marker_of(self._run.estate, self._machine, is_unfinished=unfinished))

    def _config(self) -> GuestConfig:
        return read_config(self._api.get(f"{self._base}/pending"))

    def _missing(self, config: GuestConfig) -> dict[str, str | None]:
        wanted = _options(self._run, self._machine)
        changes = [option_change(key, value, config.next.get(key)) for key, value in wanted.items()]
        return {change.key: change.value for change in changes if change}

    def _update(self, plan: GuestPlan) -> None:
        machine = self._machine
        values = dict(plan.options)
        if plan.finishes:  # the note ends a creation, so it is written last
            values.pop(DESCRIPTION, None)
        self._send(values)
        if plan.grows:
            self._grow()
        self._claim()
        if isinstance(machine, Guest):
            self._mount(machine, plan.mounts)
            carry_out(self._api, plan.firewall)

    def _claim(self) -> None:
        self._run.guests.claim(self._machine.vmid, owner_tag(self._run.estate, self._machine.vmid))

    def _send(self, values: Mapping[str, str | None]) -> None:
        deleted = ",".join(key for key, value in values.items() if value is None)
        fields = {key: value for key, value in values.items() if value is not None}
        fields |= {"delete": deleted} if deleted else {}
        if fields:
            method = "post" if self._machine.kind == "vm" else "put"
            self._api.run(method, f"{self._base}/config", STATE_SECONDS, **fields)

    def _grow(self) -> None:
        machine = self._machine
        if disk_size(machine, self._config().next) < machine.disk:
            disk = {"disk": disk_of(machine), "size": f"{machine.disk}G"}
            self._api.run("put", f"{self._base}/resize", STATE_SECONDS, **disk)

    def _mount(self, guest: Guest, mounts: MountPlan) -> None:
        """Bind directories into the container; Proxmox VE allows this to root on the node only, so it goes over SSH."""
        words = [word for key, value in mounts.sets.items() for word in (f"-{key}", value)]
        words += ["-delete", ",".join(mounts.removals)] if mounts.removals else []
        if words:
            run_pct(self._run, guest.hypervisor, "set", guest.vmid, words)

    def _run_again(self, plan: GuestPlan) -> None:
        """Start or restart the guest, and restart it for settings that turn out to wait for that."""
        machine = self._machine
        if not isinstance(machine, Guest):
            return
        if plan.starts:
            self._start(machine)
        elif plan.restarts:
            self._restart(machine)
        elif plan.options and self._run.consent.may_restart and (waiting := self._config().waiting):
            reason = f"{', '.join(waiting)}: in effect after a restart"
            self._restarts = (Change(title(machine), "restart", reason),)
            self._restart(machine)

    def _restart(self, guest: Guest) -> None:
        self._api.run("post", f"{self._base}/status/reboot", STATE_SECONDS)
        self._forget_restart()
        self._run.drop_session(guest.name)
        wait_until_ready(self._run, guest)

    def _forget_restart(self) -> None:
        """Take back the note that the guest needs a restart."""
        text = self._config().next.get(DESCRIPTION)
        note = read_marker(text)
        if note and note.waits:
            self._send({DESCRIPTION: write_marker(text, replace(note, waits=False))})

    def _start(self, guest: Guest) -> None:
        try:
            self._api.run("post", f"{self._base}/status/start", STATE_SECONDS)
        except ApiError as error:  # a killed run may have left its start to Proxmox, which has finished it since
            if "already running" not in str(error):
                raise
        self._run.guests.note(guest, "running")
        self._forget_restart()
        self._run.drop_session(guest.name)
        wait_until_ready(self._run, guest)

    def _finish(self) -> None:
        """End a creation: a clone gets SSH host keys of its own, a template becomes one, the note says so."""
        machine, run = self._machine, self._run
        if isinstance(machine, Guest) and machine.kind == "lxc" and machine.clone_of:
            done = run.session(machine.name).run(program("guests/new-host-keys.sh"), SSH_KEYS_SECONDS)
            if done.status:
                raise TaskFailedError(f"new SSH host keys could not be made: {done.err.strip()[-300:]}")
        config = self._config().next
        if isinstance(machine, Template) and config.get("template", "0") != "1":
            self._api.run("post", f"{self._base}/template", STATE_SECONDS)
        note = marker_of(run.estate, machine)
        if read_marker(config.get(DESCRIPTION)) != note:
            self._send({DESCRIPTION: write_marker(config.get(DESCRIPTION), note)})
