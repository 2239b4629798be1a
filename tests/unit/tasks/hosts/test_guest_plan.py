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
from phoenix.pve.guest_config import GuestConfig, option_text
from phoenix.pve.marker import Marker, read_marker, write_marker
from phoenix.pve.mounts import MountPlan
from phoenix.tasks.firewall.apply import new_guest_changes
from phoenix.tasks.hosts.disks import gibibytes
from phoenix.tasks.hosts.guest_options import SeenMachine, marker_of
from phoenix.tasks.hosts.guest_plan import GuestPlan, plan_machine
from tests.support.estates import estate, guest

MOUNTS = (Mount(source="data", target="/data"), Mount(source="logs", target="/logs"))
LXC = guest("app", 20, "lxc", mounts=MOUNTS, startup=Startup(order=3, delay=5), tags=("prod",))
VM = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None, user="admin")
CLONE = guest("copy", 22, "lxc", clone_of="base", ostemplate=None)
BASE = Template(name="base", groups=(), vmid=900, kind="lxc", hypervisor="pve", storage="pool", ostemplate="local:x/y")
GUESTS = estate(LXC, VM, CLONE)
SMALL = Estate(settings=GUESTS.settings, hypervisors=GUESTS.hypervisors, guests=GUESTS.guests, templates=(BASE,))
Machine = Guest | Template
SIZE = "2 cores, 2048 MiB, 16 GiB on pool"


def plan(machine: Machine, seen: SeenMachine | None, *, may_restart: bool = True) -> GuestPlan:
    """The plan of a machine of the small estate."""
    return plan_machine(SMALL, machine, options(SMALL, machine), seen, may_restart=may_restart)


def seen(machine: Machine, *, is_running: bool = True, adopts: str = "", **edits: Any) -> SeenMachine:
    """A machine as declared, with edits of its configuration; None stands for an option that is not set."""
    disk = f"pool:vm-1-disk-0,size={machine.disk}G"
    drives = {"scsi0": disk, "ide2": "pool:vm-1-cloudinit,media=cdrom"}
    made: dict[str, Any] = {"rootfs": disk, "unprivileged": 1} if machine.kind == "lxc" else {**drives}
    made |= {"template": 1} if isinstance(machine, Template) else {}
    mounts = bind_mounts(SMALL, machine) if isinstance(machine, Guest) else ()
    made |= {f"mp{index}": mount.value for index, mount in enumerate(mounts)}
    made["description"] = write_marker("", marker_of(SMALL, machine))
    config = {**made, **options(SMALL, machine), **edits}
    given = {key: option_text(value) for key, value in config.items() if value is not None}
    return SeenMachine(GuestConfig(given, given), is_running, adopts=adopts)


def summary(planned: Plan) -> list[str]:
    """Verbs and reasons of a plan, without the guest's title."""
    return [f"{change.verb} {change.reason}".strip() for change in planned.changes]


@pytest.mark.parametrize(
    ("machine", "origin", "starts"),
    [
        (LXC, f"lxc, from local:vztmpl/x; {SIZE}, 10.0.0.20", True),
        (VM, f"vm, from local:import/x.img; {SIZE}, 10.0.0.21", True),
        (CLONE, f"lxc, clone of base; {SIZE}, 10.0.0.22", True),
        (BASE, f"lxc, from local:x/y; {SIZE}", False),
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
        (LXC, {"net0": f"{NET},hwaddr={MAC}"}, {}),
        (LXC, {"net0": f"hwaddr={MAC},mtu=1400,{NET}"}, {"net0": f"{NET},hwaddr={MAC}"}),
        (LXC, {"net0": NET.replace("vmbr0", "vmbr1")}, {"net0": NET}),
        (LXC, {"net0": NET.replace("firewall=1", "firewall=0")}, {"net0": NET}),
        (LXC, {"net0": f"{NET},link_down=1,tag=20,trunks=5,ip6=dhcp"}, {"net0": NET}),
        (LXC, {"net0": f"{NET},hwaddr={OTHER_MAC}".replace(".20/", ".99/")}, {"net0": f"{NET},hwaddr={OTHER_MAC}"}),
        (CLONE, {"startup": "order=3"}, {"startup": None}),
        (VM, {"name": "other"}, {"name": "box"}),
        (VM, {"agent": "0"}, {"agent": "1"}),
        (VM, {"ciuser": "root"}, {"ciuser": "admin"}),
        (VM, {"ipconfig0": "ip=10.0.0.99/24,gw=10.0.0.1"}, {"ipconfig0": "ip=10.0.0.21/24,gw=10.0.0.1"}),
        (BASE, {"memory": "512"}, {"memory": "2048"}),
    ],
)
def test_each_option(machine: Machine, edit: dict[str, Any], sent: dict[str, str | None]) -> None:
    """An option that differs in meaning is sent alone; what only Proxmox adds stays."""
    planned = plan(machine, seen(machine, is_running=isinstance(machine, Guest), **edit))
    assert {key: value for key, value in planned.options.items() if not str(value).endswith(" waits -->\n")} == sent
    updates = [change for change in planned.changes if change.verb == "update"]
    assert len(updates) == len(sent)
    assert all(change.reason.startswith(key) for change, key in zip(updates, sent, strict=True))
    assert not planned.starts


@pytest.mark.parametrize(
    ("machine", "edit", "waiting"),
    [
        (LXC, {"nameserver": "8.8.8.8"}, "nameserver"),
        (LXC, {"hostname": "other", "cores": "7"}, "hostname"),
        (LXC, {"cores": "7", "memory": "1", "net0": f"{NET},tag=3"}, ""),
        (LXC, {"mp0": "/lxc/120/data,mp=/data,ro=1"}, "mp0"),
        (LXC, {"mp0": None}, ""),
        (LXC, {"mp5": "/lxc/120/old,mp=/old"}, "mp5"),
        (VM, {"memory": "1", "ipconfig0": "ip=10.0.0.99/24,gw=10.0.0.1"}, "ipconfig0, memory"),
        (BASE, {"memory": "1"}, ""),
    ],
)
def test_restart(machine: Machine, edit: dict[str, Any], waiting: str) -> None:
    """A plan contains the restart that its changes need; without consent, it notes what waits."""
    observed = seen(machine, is_running=isinstance(machine, Guest), **edit)
    planned, kept = plan(machine, observed), plan(machine, observed, may_restart=False)
    restarts = [f"restart {waiting}: in effect after a restart"] if waiting else []
    assert [line for line in summary(planned) if line.startswith("restart")] == restarts
    assert (planned.restarts, kept.restarts) == (bool(waiting), False)
    assert planned.notes == ()
    assert [f"{waiting} wait" in note for note in kept.notes] == ([True] if waiting else [])


def test_values_that_wait() -> None:
    """A value that waits for a restart is part of the plan, also if nothing else differs."""
    settled = seen(LXC).config.next
    waits = SeenMachine(GuestConfig({**settled, "nameserver": "8.8.8.8"}, settled), is_running=True)
    assert summary(plan(LXC, waits)) == ["restart nameserver: in effect after a restart"]
    reverts = SeenMachine(GuestConfig(settled, {**settled, "nameserver": "8.8.8.8"}), is_running=True)
    assert plan(LXC, reverts).options == {"nameserver": "10.0.0.3"}
    assert not plan(LXC, reverts).restarts


TAGS_OF_OLD = write_marker("mine", Marker(OWNER, "local:vztmpl/x", ("old",)))


@pytest.mark.parametrize(
    ("edit", "sent"),
    [
        ({"description": None}, {"description"}),
        ({"description": "mine"}, {"description"}),
        ({"description": TAGS_OF_OLD, "tags": f"old;own;phoenix;{OWNER};prod"}, {"description", "tags"}),
        ({"description": write_marker("mine", marker_of(SMALL, LXC))}, set()),
    ],
)
def test_description(edit: dict[str, Any], sent: set[str]) -> None:
    """The note of the owner is kept in the description; a tag that Phoenix gave goes, and the operator's text stays."""
    planned = plan(LXC, seen(LXC, **edit))
    assert set(planned.options) == sent
    if "tags" in sent:
        assert planned.options["tags"] == f"own;phoenix;{OWNER};prod"
    if "description" in sent:
        assert str(planned.options["description"]).startswith("mine" if edit["description"] else "<!-- ")
        assert read_marker(planned.options["description"]) is not None


THEIRS = "phoenix-0123456789;theirs"


def test_adoption() -> None:
    """A guest of another owner is adopted first, loses the tag of that owner, and gets what is declared."""
    other = "lxc 'theirs', running, 10.0.0.99/24, created by no Phoenix estate"
    theirs = seen(LXC, adopts=other, description="theirs", tags=THEIRS, hostname="theirs", cores="7")
    planned = plan(LXC, theirs)
    assert summary(planned)[0] == f"adopt {other}"
    assert planned.options["tags"] == f"phoenix;{OWNER};prod;theirs"
    note = read_marker(planned.options["description"])
    assert note == Marker(OWNER, "", ("prod",), waits=True)
    assert {"hostname", "cores"} <= set(planned.options)


def test_interrupted_creation() -> None:
    """An interrupted creation is finished: the note that says so is written last."""
    begun = write_marker("", marker_of(SMALL, LXC, is_unfinished=True))
    planned = plan(LXC, seen(LXC, is_running=False, description=begun, tags=None))
    assert summary(planned)[0] == "create its creation was interrupted"
    assert (planned.finishes, planned.starts) == (True, True)


@pytest.mark.parametrize(
    ("edit", "note"),
    [
        ({"rootfs": "pool:x,size=32G"}, "its disk has 32 GiB, declared are 16"),
        ({"rootfs": "other:x,size=16G"}, "its disk is on storage other, declared is pool"),
        ({"description": write_marker("", Marker(OWNER, "base", ("prod",)))}, "it was made from base"),
        ({"net1": "name=eth1,bridge=vmbr7,firewall=1"}, "net1 at vmbr7 is not declared"),
    ],
)
def test_notes(edit: dict[str, Any], note: str) -> None:
    """What differs and cannot be changed is noted, and changes nothing."""
    planned = plan(LXC, seen(LXC, **edit))
    assert planned.changes == ()
    assert [note in text for text in planned.notes] == [True]


@pytest.mark.parametrize(
    ("machine", "observed", "note"),
    [
        (LXC, {"is_running": False}, "it does not run; what is to change in it is known once it runs"),
        (LXC, {"adopts": "theirs"}, "it shares its SSH host keys with its origin"),
        (VM, {"adopts": "theirs"}, "another owner's; what is to change in it is known once it is adopted"),
    ],
)
def test_what_is_not_known(machine: Guest, observed: dict[str, Any], note: str) -> None:
    """A plan says what it cannot know in advance."""
    assert [note in text for text in plan(machine, seen(machine, **observed)).notes] == [True]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"net1": "name=eth1,bridge=vmbr0"}, "net1 at vmbr0 is not declared, and the firewall does not filter it"),
        ({"net3": "name=eth1,bridge=vmbr0,firewall=0"}, "net3 at vmbr0"),
        ({"mp0": "pool:vm-120-disk-1,mp=/data,size=8G"}, "occupy declared paths: /data by mp0"),
        ({"template": 1}, "it is a template, in the inventory a guest"),
        ({"rootfs": None}, "its first disk is not rootfs"),
    ],
)
def test_refused(edit: dict[str, Any], message: str) -> None:
    """What cannot be corrected here stops the guest before any change."""
    with pytest.raises(TaskFailedError, match=message):
        plan(LXC, seen(LXC, **edit))


@pytest.mark.parametrize(
    ("machine", "edit", "message"),
    [
        (VM, {"scsi0": None, "virtio0": "pool:x,size=9G"}, "its first disk is not scsi0"),
        (VM, {"ide2": None}, "it has no cloud-init drive"),
        (BASE, {"template": None}, "it is a guest, in the inventory a template"),
    ],
)
def test_unfit(machine: Machine, edit: dict[str, Any], message: str) -> None:
    """A machine that Phoenix could not bring up is refused before any change."""
    with pytest.raises(TaskFailedError, match=message):
        plan(machine, seen(machine, **edit))


def test_restart_is_not_forgotten() -> None:
    """A restart that an interrupted run owes for an option that is not pending is noted, and made by the next run."""
    sent = plan(VM, seen(VM, ipconfig0="ip=10.0.0.99/24,gw=10.0.0.1")).options
    note = read_marker(sent["description"])
    assert note is not None
    assert note.waits
    after = seen(VM, description=sent["description"])
    assert summary(plan(VM, after)) == ["restart earlier changes: in effect after a restart"]
    assert plan(VM, seen(VM, ipconfig0="ip=10.0.0.99/24", is_running=False)).options.keys() == {"ipconfig0"}


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
    ("edit", "plan_of_mounts"),
    [
        ({"mp1": None}, MountPlan({"mp1": "/lxc/120/logs,mp=/logs"})),
        ({"mp0": "/lxc/120/old,mp=/data"}, MountPlan({"mp0": "/lxc/120/data,mp=/data"}, replaced=("mp0",))),
        ({"mp2": "/lxc/120/old,mp=/old"}, MountPlan(removals=("mp2",))),
        ({"mp2": "/own,mp=/own"}, MountPlan()),
    ],
)
def test_mounts(edit: dict[str, Any], plan_of_mounts: MountPlan) -> None:
    """A bind mount that is missing or differs is set, one that is no longer declared is removed, others stay."""
    planned = plan(LXC, seen(LXC, **edit))
    assert planned.mounts == plan_of_mounts
    updates = [change for change in planned.changes if change.verb == "update"]
    assert len(updates) == len(plan_of_mounts.sets) + len(plan_of_mounts.removals)


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
    assert (dict(planned.options), planned.mounts.sets) == ({"cores": "2"}, {"mp0": "/lxc/120/data,mp=/data"})
