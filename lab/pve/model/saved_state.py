"""The saved model: JSON, written after each change, loaded at start."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phoenix.lab.pve.fake import FakeCt, FakePve, FakeVm
from phoenix.lab.pve.model.cloud_init import CloudInit
from phoenix.lab.pve.role import NODE

_TASKS_KEPT = 200


def dump(pve: FakePve) -> dict[str, Any]:
    """Return the part of the model that survives a restart."""
    containers = {str(ct.vmid): _container(ct) for ct in pve.cts}
    machines = {str(vm.vmid): _machine(vm) for vm in pve.vms}
    return {
        "guests": dict(sorted({**containers, **machines}.items(), key=lambda item: int(item[0]))),
        "firewall": pve._fw(),  # noqa: SLF001 - see tests/unit/lab/pve
        "volumes": {sid: store.get("volumes", {}) for sid, store in pve.storages.items()},
        "tasks": pve.tasklog[-_TASKS_KEPT:],
        "cloud_init": {str(vmid): asdict(options) for vmid, options in pve.cloud_init.items()},
    }


def restore(pve: FakePve, data: dict[str, Any]) -> None:
    """Restore a saved model; guests are stopped until the caller finds them running."""
    for vmid, guest in data["guests"].items():
        _restore_guest(pve, int(vmid), guest)
    firewall = data["firewall"]
    firewall["guests"] = {int(vmid): conf for vmid, conf in firewall["guests"].items()}
    pve.__dict__["_fw_state"] = firewall
    for sid, volumes in data["volumes"].items():
        pve.storages[sid]["volumes"].update(volumes)
    for vmid, options in data["cloud_init"].items():
        pve.cloud_init[int(vmid)] = CloudInit(**options)
    for task in data["tasks"]:
        if task["status"] == "running":
            task.update(status="stopped", exitstatus="unexpected status", endtime=task["starttime"])
        pve.tasks[task["upid"]] = task
        pve.tasklog.append(task)


def save(path: Path, data: dict[str, Any]) -> None:
    """Write the model atomically, with mode 0600."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(data, indent=1))
    draft.chmod(0o600)
    draft.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """Return the saved model, or None; exit if it is not JSON."""
    if not path.exists():
        return None
    try:
        model: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise SystemExit(f"{path} is not JSON ({error}); remove it to start with an empty hypervisor") from error
    return model


def _common(guest: Any) -> dict[str, Any]:
    config = {key: value for key, value in guest.config.items() if key != "lock"}
    return {"name": guest.name, "status": guest.status, "config": config, "pending": dict(guest.pending)}


def _container(ct: FakeCt) -> dict[str, Any]:
    return {"kind": "lxc", **_common(ct)}


def _machine(vm: FakeVm) -> dict[str, Any]:
    return {"kind": "vm", **_common(vm), "template": bool(vm.template)}


def _restore_guest(pve: FakePve, vmid: int, saved: dict[str, Any]) -> None:
    if saved["kind"] == "lxc":
        ct = FakeCt(vmid, node=NODE, config=saved["config"], pending=saved["pending"], defaults=False)
        pve.cts.append(ct)
        return
    vm = FakeVm(vmid, saved["name"], node=NODE, config=saved["config"], pending=saved["pending"])
    vm.template = saved["template"]
    pve.vms.append(vm)
