"""What is done with a guest or template, by its inventory and its configuration on Proxmox VE."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.converge import Plan
from phoenix.derive.guests import bind_mounts, options
from phoenix.derive.ownership import owner_tag
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Mount, Template
from phoenix.estate.model import Startup
from phoenix.tasks.firewall.apply import new_guest_changes
from phoenix.tasks.hosts.guest_plan import GuestPlan, SeenMachine, gibibytes, plan_machine, plan_removal
from tests.support.estates import estate, guest

MOUNTS = (Mount(source="data", target="/data"), Mount(source="logs", target="/logs"))
LXC = guest("app", 20, "lxc", mounts=MOUNTS, startup=Startup(order=3, delay=5), tags=("prod",))
VM = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None, user="admin")
CLONE = guest("copy", 22, "lxc", clone_of="base", ostemplate=None)
BASE = Template(name="base", groups=(), vmid=900, kind="lxc", hypervisor="pve", storage="pool", ostemplate="local:x/y")
GUESTS = estate(LXC, VM, CLONE)
SMALL = Estate(settings=GUESTS.settings, hypervisors=GUESTS.hypervisors, guests=GUESTS.guests, templates=(BASE,))
Machine = Guest | Template


def plan(machine: Machine, seen: SeenMachine | None) -> GuestPlan:
    """The plan of a machine of the small estate."""
    return plan_machine(SMALL, machine, options(SMALL, machine), seen)


def seen(machine: Machine, *, is_running: bool = True, **edits: Any) -> SeenMachine:
    """A machine as declared, with edits of its configuration; None stands for an option that is not set."""
    disk = f"pool:vm-1-disk-0,size={machine.disk}G"
    made = {"rootfs": disk, "unprivileged": 1} if machine.kind == "lxc" else {"scsi0": disk}
    mounts = bind_mounts(SMALL, machine) if isinstance(machine, Guest) else {}
    config = {**made, **options(SMALL, machine), **mounts, **edits}
    return SeenMachine({key: value for key, value in config.items() if value is not None}, is_running)


def summary(planned: Plan) -> list[str]:
    """Verbs and reasons of a plan, without the guest's title."""
    return [f"{change.verb} {change.reason}".strip() for change in planned.changes]


@pytest.mark.parametrize(
    ("machine", "origin", "starts"),
    [
        (LXC, "lxc, from local:vztmpl/x", True),
        (VM, "vm, from local:import/x.img", True),
        (CLONE, "lxc, clone of base", True),
        (BASE, "lxc, from local:x/y", False),
    ],
)
def test_absent(machine: Machine, origin: str, starts: bool) -> None:  # noqa: FBT001  # a column of the table
    """An absent guest is created, given its firewall, and started last; a template is only created."""
    planned = plan(machine, None)
    firewall = new_guest_changes(SMALL, machine) if isinstance(machine, Guest) else []
    assert (planned.creates, planned.starts) == (True, starts)
    assert planned.changes[0].resource == f"guest {machine.vmid} {machine.name}"
    assert summary(planned)[0] == f"create {origin}"
    assert list(planned.changes[1 : len(firewall) + 1]) == firewall
    assert [change.verb for change in planned.changes[len(firewall) + 1 :]] == (["start"] if starts else [])
    assert not isinstance(machine, Guest) or firewall


@pytest.mark.parametrize("machine", [LXC, VM, CLONE])
def test_as_declared(machine: Machine) -> None:
    """A running guest that is as declared needs no change and no request."""
    assert plan(machine, seen(machine)) == GuestPlan()


def test_template_as_declared() -> None:
    """A template is never started."""
    assert plan(BASE, seen(BASE, is_running=False)) == GuestPlan()


@pytest.mark.parametrize("machine", [LXC, VM])
def test_stopped(machine: Machine) -> None:
    """A stopped guest is started, after the changes of its configuration."""
    assert summary(plan(machine, seen(machine, is_running=False))) == ["start"]
    assert summary(plan(machine, seen(machine, is_running=False, cores="7"))) == [
        "update cores is '7', should be '2'",
        "start",
    ]


OWNER = owner_tag(SMALL, LXC.vmid)
MAC, OTHER_MAC = "02:50:58:00:00:78", "BC:24:11:00:00:01"
NET = "name=eth0,bridge=vmbr0,firewall=1,type=veth,ip=10.0.0.20/24,gw=10.0.0.1"


@pytest.mark.parametrize(
    ("machine", "edit", "sent"),
    [
        (LXC, {"memory": 512}, {"memory": "2048"}),
        (LXC, {"memory": None}, {"memory": "2048"}),
        (LXC, {"cores": "7"}, {"cores": "2"}),
        (LXC, {"swap": "512"}, {"swap": "0"}),
        (LXC, {"hostname": "other"}, {"hostname": "app"}),
        (LXC, {"onboot": "0"}, {"onboot": "1"}),
        (LXC, {"onboot": None}, {"onboot": "1"}),
        (LXC, {"startup": "order=9,up=5"}, {"startup": "order=3,up=5"}),
        (LXC, {"nameserver": "8.8.8.8"}, {"nameserver": "10.0.0.3"}),
        (LXC, {"searchdomain": "other"}, {"searchdomain": "lab.test"}),
        (LXC, {"tags": "own"}, {"tags": f"own;phoenix;{OWNER};prod"}),
        (LXC, {"tags": f"own;phoenix;{OWNER};prod"}, {}),
        (LXC, {"description": "a note of the operator"}, {}),
        (LXC, {"net0": f"{NET},hwaddr={MAC}"}, {}),
        (LXC, {"net0": f"hwaddr={MAC},mtu=1400,{NET}"}, {}),
        (LXC, {"net0": NET.replace("vmbr0", "vmbr1")}, {"net0": NET}),
        (LXC, {"net0": NET.replace("firewall=1", "firewall=0")}, {"net0": NET}),
        (LXC, {"net0": f"{NET},hwaddr={OTHER_MAC}".replace(".20/", ".99/")}, {"net0": f"{NET},hwaddr={OTHER_MAC}"}),
        (VM, {"name": "other"}, {"name": "box"}),
        (VM, {"agent": "0"}, {"agent": "1"}),
        (VM, {"ciuser": "root"}, {"ciuser": "admin"}),
        (VM, {"ipconfig0": "ip=10.0.0.99/24,gw=10.0.0.1"}, {"ipconfig0": "ip=10.0.0.21/24,gw=10.0.0.1"}),
        (BASE, {"memory": "512"}, {"memory": "2048"}),
    ],
)
def test_each_option(machine: Machine, edit: dict[str, Any], sent: dict[str, str]) -> None:
    """An option that differs in meaning is sent alone; additions of Proxmox and of the operator stay."""
    planned = plan(machine, seen(machine, is_running=isinstance(machine, Guest), **edit))
    assert planned == GuestPlan(planned.changes, options=sent)
    assert [change.verb for change in planned.changes] == ["update"] * len(sent)
    assert all(change.reason.startswith(f"{key} is ") for change, key in zip(planned.changes, sent, strict=True))


@pytest.mark.parametrize(
    ("machine", "sent"),
    [
        (LXC, {}),
        (LXC.model_copy(update={"mac": OTHER_MAC}), {}),
        (LXC.model_copy(update={"mac": MAC}), {"net0": f"{NET},hwaddr={MAC}"}),
    ],
)
def test_address_of_the_card(machine: Guest, sent: dict[str, str]) -> None:
    """A card keeps its MAC address, unless the inventory names another one."""
    assert plan(machine, seen(LXC, net0=f"{NET},hwaddr={OTHER_MAC}")).options == sent


@pytest.mark.parametrize(
    ("machine", "disk", "grows"),
    [
        (LXC, "pool:vm-1-disk-0,size=8G", True),
        (LXC, "pool:vm-1-disk-0,size=15872M", True),
        (LXC, "pool:vm-1-disk-0,size=16G", False),
        (LXC, "pool:vm-1-disk-0,size=32G", False),
        (LXC, "pool:vm-1-disk-0,size=1T", False),
        (VM, "pool:vm-1-disk-0,size=3584M", True),
        (VM, "pool:vm-1-disk-0,iothread=1,size=16G", False),
        (VM, "pool:vm-1-disk-0", True),
    ],
)
def test_disk(machine: Guest, disk: str, grows: bool) -> None:  # noqa: FBT001  # a column of the table
    """A disk grows to the declared size, and never shrinks."""
    edit: dict[str, Any] = {"rootfs" if machine.kind == "lxc" else "scsi0": disk}
    planned = plan(machine, seen(machine, **edit))
    assert planned.grows == grows
    assert summary(planned) == (["update disk grows to 16 GiB"] if grows else [])


@pytest.mark.parametrize(
    ("size", "expected"), [("16G", 16), ("512M", 0.5), ("1T", 1024), ("1048576K", 1), ("1073741824", 1), ("", 0)]
)
def test_gibibytes(size: str, expected: float) -> None:
    """Every spelling of a size is read in GiB."""
    assert gibibytes(size) == expected


@pytest.mark.parametrize(
    ("edit", "sent"),
    [
        ({"mp1": None}, ["mp1"]),
        ({"mp0": None, "mp1": None}, ["mp0", "mp1"]),
        ({"mp0": "/lxc/120/data,mp=/other"}, ["mp0"]),
        ({"mp1": "/lxc/120/elsewhere,mp=/logs"}, ["mp1"]),
        ({"mp0": "/lxc/120/data,mp=/data,backup=0"}, []),
        ({"mp2": "/own,mp=/own"}, []),
    ],
)
def test_mounts(edit: dict[str, Any], sent: list[str]) -> None:
    """A bind mount that is missing or differs is set; mounts of others stay."""
    planned = plan(LXC, seen(LXC, **edit))
    wanted = bind_mounts(SMALL, LXC)
    assert {key: value for key, value in planned.mounts.items() if value == wanted[key]} == planned.mounts
    assert list(planned.mounts) == sent
    assert planned == GuestPlan(planned.changes, mounts=planned.mounts)
    assert summary(planned) == [f"update {key} should be {wanted[key]}" for key in sent]


@pytest.mark.parametrize(("is_unprivileged", "seen_as"), [(True, 0), (False, 1), (True, None)])
def test_unprivileged_is_refused(is_unprivileged: bool, seen_as: int | None) -> None:  # noqa: FBT001  # a column
    """`unprivileged` cannot be changed in place; the message says what to do."""
    machine = LXC.model_copy(update={"unprivileged": is_unprivileged})
    with pytest.raises(TaskFailedError, match="cannot be changed in place: destroy the guest"):
        plan(machine, seen(machine, unprivileged=seen_as))


def test_everything_at_once() -> None:
    """Options come first, then the disk, the mounts, and the start."""
    planned = plan(LXC, seen(LXC, is_running=False, cores="7", rootfs="pool:x,size=8G", mp0=None))
    assert summary(planned) == [
        "update cores is '7', should be '2'",
        "update disk grows to 16 GiB",
        "update mp0 should be /lxc/120/data,mp=/data",
        "start",
    ]
    assert (planned.creates, planned.grows, planned.starts) == (False, True, True)
    assert (dict(planned.options), dict(planned.mounts)) == ({"cores": "2"}, {"mp0": "/lxc/120/data,mp=/data"})


@pytest.mark.parametrize(
    ("machine", "exists", "changes"),
    [(LXC, True, ["remove guest 120 app"]), (LXC, False, []), (BASE, True, ["remove guest 900 base"])],
)
def test_removal(machine: Machine, exists: bool, changes: list[str]) -> None:  # noqa: FBT001  # a column of the table
    """A guest or template that exists is removed; one that does not needs no change."""
    assert [str(change) for change in plan_removal(machine, exists=exists).changes] == changes
