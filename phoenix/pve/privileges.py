"""The privileges that the API token needs, and those of them that it lacks.

Source: Proxmox VE's API schema, "permissions" of each method. The README asks the operator to create a role of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phoenix.estate import Estate, Hypervisor

GUESTS = (
    "VM.Allocate",
    "VM.Audit",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.PowerMgmt",
)
AGENT = {8: ("VM.Monitor",), 9: ("VM.GuestAgent.Audit", "VM.GuestAgent.FileRead")}
"""To read a virtual machine's host key, by major version; Proxmox VE 9 split the privilege."""


def needed_privileges(estate: Estate, hypervisor: Hypervisor, version: str) -> Iterator[tuple[str, str]]:
    """Every path with a privilege that is needed on it; `version` is that of Proxmox VE, such as `8.4.1`."""
    agent = AGENT[9 if int(version.partition(".")[0]) >= 9 else 8]  # noqa: PLR2004
    yield from (("/vms", privilege) for privilege in (*GUESTS, *agent))
    machines = [m for m in (*estate.guests, *estate.templates) if m.hypervisor == hypervisor.name]
    for storage in sorted({machine.storage for machine in machines}):
        yield f"/storage/{storage}", "Datastore.AllocateSpace"
    for volume in sorted({v for m in machines for v in (m.ostemplate, m.disk_image) if v}):
        yield f"/storage/{volume.partition(':')[0]}", "Datastore.Audit"
    yield "/", "Sys.Modify"
    yield "/", "Sys.Audit"
    yield f"/sdn/zones/localnetwork/{hypervisor.bridge}", "SDN.Use"


def missing_privileges(
    granted: Mapping[str, Mapping[str, int]], estate: Estate, hypervisor: Hypervisor, version: str
) -> list[tuple[str, str]]:
    """The paths and privileges that the token lacks; `granted` is the answer of `/access/permissions`."""
    return sorted({(p, q) for p, q in needed_privileges(estate, hypervisor, version) if not _has(granted, p, q)})


def _has(granted: Mapping[str, Mapping[str, int]], path: str, privilege: str) -> bool:
    """Search the path and its parents; a grant on a parent counts only if it propagates."""
    current, is_own = path, True
    while True:
        entry = granted.get(current, {})
        if privilege in entry and (is_own or entry[privilege]):
            return True
        if current == "/":
            return False
        current, is_own = current.rsplit("/", 1)[0] or "/", False
