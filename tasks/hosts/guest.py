"""Guests on the hypervisor: created stopped, given their firewall, then started; later changed in place."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nornir.core.task import Result, Task

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.converge import Change
from phoenix.derive.guests import bind_mounts, creation, options
from phoenix.estate import Guest, Machine, Template
from phoenix.pve.paths import path_of
from phoenix.pve.properties import differences, format_properties, parse
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.firewall.apply import new_guest_changes, write_new_guest
from phoenix.tasks.hosts.ready import wait_until_ready
from phoenix.tasks.support.converging import result

CREATE_SECONDS = 600.0
STATE_SECONDS = 180.0


def create_guest(task: Task, run: Run) -> Result:
    """Make the guest, or change in place what differs; a guest ends up running, a template stopped."""
    machine = run.estate.host(task.host.name)
    assert isinstance(machine, Guest | Template)  # noqa: S101  # the stage runs on guests and templates
    api = run.links.api(machine.hypervisor)
    changes: list[Change] = []
    try:
        if machine.vmid not in run.exists:
            _make(run, api, machine, changes)
        else:
            _update(run, api, machine, changes)
        if isinstance(machine, Guest):
            _start(run, api, machine, changes)
    except Exception as error:
        error.changes = tuple(changes)  # type: ignore[attr-defined]  # what was done before belongs into the record
        raise
    return result(task, changes)


def destroy_guest(task: Task, run: Run) -> Result:
    """Stop and remove the guest with its disks; directories of the hypervisor that were mounted in it stay."""
    machine = run.estate.host(task.host.name)
    assert isinstance(machine, Guest | Template)  # noqa: S101  # the stage runs on guests and templates
    if machine.vmid not in run.exists:
        return result(task, [])
    api, base = run.links.api(machine.hypervisor), path_of(run.estate, machine)
    if not run.dry_run:
        run.renew_session(machine.name)
        if run.is_running(machine.vmid):
            api.run("post", f"{base}/status/stop", STATE_SECONDS)
        api.run("delete", base, STATE_SECONDS, purge=1)
        del run.exists[machine.vmid]
    return result(task, [Change(f"guest {machine.vmid} {machine.name}", "remove")])


def _make(run: Run, api: ProxmoxClient, machine: Guest | Template, changes: list[Change]) -> None:
    origin = f"clone of {machine.clone_of}" if machine.clone_of else f"from {machine.ostemplate or machine.disk_image}"
    changes.append(Change(f"guest {machine.vmid} {machine.name}", "create", f"{machine.kind}, {origin}"))
    if isinstance(machine, Guest):
        changes.extend(new_guest_changes(run.estate, machine))
    if run.dry_run:
        return
    base = path_of(run.estate, machine)
    if machine.clone_of:
        _clone(run, api, machine)
        config = api.get(f"{base}/config")
        _send(api, base, machine, differences(_options(run, machine), config))
        _grow(api, base, machine, config)
    else:
        parent = base.rpartition("/")[0]
        given = {**creation(machine), **_options(run, machine)}
        api.run("post", parent, CREATE_SECONDS, vmid=machine.vmid, **given)
        if machine.kind == "vm":
            _grow(api, base, machine, api.get(f"{base}/config"))
    if isinstance(machine, Template):
        api.run("post", f"{base}/template", STATE_SECONDS)
    else:
        _set_mounts(run, machine, bind_mounts(run.estate, machine))
        write_new_guest(run, api, machine)
    run.exists[machine.vmid] = {"status": "stopped", "name": machine.name}


def _clone(run: Run, api: ProxmoxClient, machine: Machine) -> None:
    origin = run.estate.host(str(machine.clone_of))
    assert isinstance(origin, Template)  # noqa: S101  # the inventory was checked
    if origin.vmid not in run.exists:
        raise TaskFailedError(f"its template {origin.name} ({origin.vmid}) does not exist: deploy that first")
    name = {"hostname" if machine.kind == "lxc" else "name": machine.name}
    source = path_of(run.estate, origin)
    api.run("post", f"{source}/clone", CREATE_SECONDS, newid=machine.vmid, full=1, storage=machine.storage, **name)


def _options(run: Run, machine: Machine) -> dict[str, str]:
    found = options(run.estate, machine)
    if machine.kind == "vm" and isinstance(machine, Guest):
        found["sshkeys"] = quote(run.links.public_key(machine.hypervisor), safe="")
    return found


def _send(api: ProxmoxClient, base: str, machine: Machine, given: Mapping[str, str]) -> None:
    if given and machine.kind == "vm":
        api.run("post", f"{base}/config", STATE_SECONDS, **given)
    elif given:
        api.put(f"{base}/config", **given)


def _grow(api: ProxmoxClient, base: str, machine: Machine, config: Mapping[str, Any]) -> None:
    disk = "rootfs" if machine.kind == "lxc" else "scsi0"
    if _gigabytes(parse(str(config.get(disk, ""))).get("size", "0G")) < machine.disk:
        api.run("put", f"{base}/resize", STATE_SECONDS, disk=disk, size=f"{machine.disk}G")


def _gigabytes(size: str) -> float:
    units = {"K": 2**-20, "M": 2**-10, "G": 1, "T": 2**10}
    return float(size[:-1]) * units[size[-1]] if size[-1:] in units else float(size or 0) / 2**30


def _update(run: Run, api: ProxmoxClient, machine: Guest | Template, changes: list[Change]) -> None:
    base = path_of(run.estate, machine)
    config = api.get(f"{base}/config")
    wanted = _kept_address(machine, _options(run, machine))
    differs = differences(wanted, config)
    if machine.kind == "lxc" and bool(int(config.get("unprivileged", 0))) != machine.unprivileged:
        raise TaskFailedError("`unprivileged` cannot be changed in place: destroy the guest and deploy it again")
    title = f"guest {machine.vmid} {machine.name}"
    changes += [
        Change(title, "update", f"{key} is {_shown(config.get(key))}, should be {_shown(value)}")
        for key, value in differs.items()
    ]
    grows = _gigabytes(parse(str(config.get(_disk(machine), ""))).get("size", "0G")) < machine.disk
    if grows:
        changes.append(Change(title, "update", f"disk grows to {machine.disk} GiB"))
    mounts = differences(bind_mounts(run.estate, machine), config) if isinstance(machine, Guest) else {}
    changes += [Change(title, "update", f"{key} should be {value}") for key, value in mounts.items()]
    if run.dry_run or not (differs or grows or mounts):
        return
    _send(api, base, machine, differs)
    if grows:
        _grow(api, base, machine, config)
    if isinstance(machine, Guest):
        _set_mounts(run, machine, mounts)
        if run.is_running(machine.vmid) and _pending(api, base):
            changes.append(Change(title, "restart", "some settings hold only after a restart"))
            api.run("post", f"{base}/status/reboot", STATE_SECONDS)
            run.renew_session(machine.name)
            wait_until_ready(run, machine)


def _kept_address(machine: Machine, wanted: Mapping[str, str]) -> dict[str, str]:
    """Leave a NIC's address alone where the inventory names none: to change it would cut the guest off for a while."""
    if "net0" not in wanted or getattr(machine, "mac", None):
        return dict(wanted)
    nic = {key: value for key, value in parse(wanted["net0"]).items() if key != "hwaddr"}
    return {**wanted, "net0": format_properties(nic)}


def _disk(machine: Machine) -> str:
    return "rootfs" if machine.kind == "lxc" else "scsi0"


def _shown(value: object) -> str:
    return "absent" if value is None else repr(str(value)[:80])


def _pending(api: ProxmoxClient, base: str) -> bool:
    return any("pending" in item or "delete" in item for item in api.get(f"{base}/pending"))


def _set_mounts(run: Run, guest: Guest, mounts: Mapping[str, str]) -> None:
    """Only root on the node may bind directories into a container, so this goes over the SSH lane."""
    if not mounts:
        return
    words = " ".join(f"-{key} {shlex.quote(value)}" for key, value in mounts.items())
    done = run.session(guest.hypervisor).run(f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\npct set {guest.vmid} {words}")
    if done.status:
        raise TaskFailedError(f"pct set {guest.vmid} {words} failed: {done.err.strip()[-300:]}")


def _start(run: Run, api: ProxmoxClient, guest: Guest, changes: list[Change]) -> None:
    if run.is_running(guest.vmid):
        return
    changes.append(Change(f"guest {guest.vmid} {guest.name}", "start"))
    if run.dry_run:
        return
    try:
        api.run("post", f"{path_of(run.estate, guest)}/status/start", STATE_SECONDS)
    except ApiError as error:  # a run that was killed may have left its start to Proxmox, which finished it since
        if "already running" not in str(error):
            raise
    run.exists[guest.vmid] = {**run.exists.get(guest.vmid, {}), "status": "running", "name": guest.name}
    run.renew_session(guest.name)
    wait_until_ready(run, guest)
