"""The privileges that the API token needs, and which of them it lacks.

Source: Proxmox VE's API schema, "permissions" of each method. The README tells operators to create a role of these.
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
"""To learn a virtual machine's host key; Proxmox VE 9 split the privilege."""


def needed(estate: Estate, hypervisor: Hypervisor, version: str) -> Iterator[tuple[str, str]]:
    """Every path with a privilege that is needed on it."""
    agent = AGENT[8 if version.startswith("8") else 9]
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
    """Which privileges the token lacks; `granted` is what /access/permissions answers."""
    return sorted({(p, q) for p, q in needed(estate, hypervisor, version) if not _has(granted, p, q)})


def _has(granted: Mapping[str, Mapping[str, int]], path: str, privilege: str) -> bool:
    """Look along the path upwards; a grant on the path itself counts always, one above only if it propagates."""
    here, own = path, True
    while True:
        entry = granted.get(here, {})
        if privilege in entry and (own or entry[privilege]):
            return True
        if here == "/":
            return False
        here, own = here.rsplit("/", 1)[0] or "/", False
