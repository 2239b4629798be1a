"""The API's deploy token and its role, exactly as the README's commands create them."""

NODE = "phoenix"
USER = "phoenix@pve"
TOKEN = f"{USER}!deploy"

ROLE = frozenset(
    {
        "Datastore.AllocateSpace",
        "Datastore.AllocateTemplate",
        "Datastore.Audit",
        "SDN.Use",
        "Sys.Audit",
        "Sys.Modify",
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
        "VM.Monitor",
        "VM.PowerMgmt",
    }
)
"""The PVE 8 privileges that a deployment needs, granted on ``/``."""


def name_in_8(privilege: str) -> str:
    """Return the PVE 8 name of a privilege: PVE 9 split VM.Monitor up."""
    return "VM.Monitor" if privilege.startswith("VM.GuestAgent.") else privilege
