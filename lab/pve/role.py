"""Who may do what at the lab's API: the deploy token holds exactly the role the README tells operators to create."""

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
"""The privileges of PVE 8 that a deployment needs, granted on ``/``."""


def name_in_8(privilege: str) -> str:
    """The PVE 8 name of a privilege that PVE 9 split up."""
    return "VM.Monitor" if privilege.startswith("VM.GuestAgent.") else privilege
