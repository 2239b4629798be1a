"""Mount points are identified by what they are, never by their index."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.derive.storage import BindMount
from phoenix.pve.mounts import MountPlan, foreign_volumes, plan_mounts

OWN = "/lxc/120"
DATA, LOGS = BindMount(f"{OWN}/data", "/data"), BindMount(f"{OWN}/logs", "/logs")
VOLUME, FOREIGN = "pool:vm-120-disk-1,mp=/media,backup=1,size=8G", "/tank/media,mp=/media"


@pytest.mark.parametrize(
    ("wanted", "config", "plan"),
    [
        ([DATA], {}, MountPlan({"mp0": DATA.value})),
        ([DATA], {"mp0": DATA.value}, MountPlan()),
        ([DATA], {"mp7": DATA.value}, MountPlan()),
        ([DATA, LOGS], {"mp0": LOGS.value, "mp1": DATA.value}, MountPlan()),
        ([DATA], {"mp0": VOLUME}, MountPlan({"mp1": DATA.value})),
        ([DATA, LOGS], {"mp0": VOLUME, "mp1": FOREIGN.replace("media", "m")},
         MountPlan({"mp2": DATA.value, "mp3": LOGS.value})),
        ([LOGS], {"mp0": DATA.value, "mp1": LOGS.value}, MountPlan(removals=("mp0",))),
        ([LOGS], {"mp0": LOGS.value, "mp1": LOGS.value}, MountPlan(removals=("mp1",))),
        ([], {"mp0": DATA.value, "mp1": VOLUME}, MountPlan(removals=("mp0",))),
        ([DATA], {"mp0": f"{OWN}/old,mp=/data"}, MountPlan({"mp0": DATA.value}, replaced=("mp0",))),
        ([DATA], {"mp0": f"{DATA.value},ro=1"}, MountPlan({"mp0": DATA.value}, replaced=("mp0",))),
        ([DATA], {"mp0": f"{OWN}/data,mp=/elsewhere"}, MountPlan({"mp1": DATA.value}, removals=("mp0",))),
        ([BindMount(f"{OWN}/media", "/media")], {"mp3": VOLUME},
         MountPlan({"mp0": f"{OWN}/media,mp=/media"}, occupied={"/media": f"mp3 ({VOLUME})"})),
        ([DATA], {"mp0": "/lxc/1200/data,mp=/x"}, MountPlan({"mp1": DATA.value})),
        ([DATA], {"mp4": f"volume={OWN}/old,mp=/old"}, MountPlan({"mp0": DATA.value}, removals=("mp4",))),
    ],
)  # fmt: skip
def test_plan(wanted: list[BindMount], config: dict[str, str], plan: MountPlan) -> None:
    """Ours are set, replaced and removed; others stay and keep their index."""
    assert plan_mounts(wanted, config, OWN) == plan


def test_taken_options() -> None:
    """A mount does not take an option that still waits for its removal."""
    assert plan_mounts([DATA], {}, OWN, ["mp0", "mp1"]) == MountPlan({"mp2": DATA.value})


NAMES = st.sampled_from(["a", "b", "c", "d"])
OURS = st.builds(lambda name, target: BindMount(f"{OWN}/{name}", f"/{target}"), NAMES, NAMES)
VALUES = st.one_of(OURS.map(lambda one: one.value), NAMES.map(lambda one: f"pool:disk-{one},mp=/foreign/{one}"))


@given(
    wanted=st.lists(OURS, max_size=4, unique_by=lambda one: one.target),
    present=st.dictionaries(st.integers(0, 6).map(lambda n: f"mp{n}"), VALUES, max_size=6),
)
def test_one_run_converges(wanted: list[BindMount], present: dict[str, str]) -> None:
    """From any mount points, one plan leads to the declared ones, and every foreign one is as it was."""
    plan = plan_mounts(wanted, present, OWN)
    after: dict[str, Any] = {key: value for key, value in present.items() if key not in plan.removals} | dict(plan.sets)
    assert plan_mounts(wanted, after, OWN) == MountPlan()
    foreign = {key: value for key, value in present.items() if not value.startswith(OWN)}
    assert {key: after.get(key) for key in foreign} == foreign


@pytest.mark.parametrize(
    ("config", "root", "volumes"),
    [
        ({"rootfs": "pool:a,size=1G", "mp0": DATA.value}, "rootfs", []),
        ({"rootfs": "pool:a,size=1G", "mp0": VOLUME}, "rootfs", ["mp0 (pool:vm-120-disk-1)"]),
        ({"rootfs": "pool:a,size=1G", "unused0": "pool:b"}, "rootfs", ["unused0 (pool:b)"]),
        ({"scsi0": "pool:a", "ide2": "pool:vm-1-cloudinit,media=cdrom", "scsi1": "pool:c"}, "scsi0",
         ["scsi1 (pool:c)"]),
        ({"rootfs": "pool:a", "mp0": "mp=/a,volume=pool:b"}, "rootfs", ["mp0 (pool:b)"]),
        ({"scsi0": "pool:a", "scsi1": "file=pool:c,size=1G"}, "scsi0", ["scsi1 (pool:c)"]),
        ({"scsi0": "pool:a", "scsihw": "virtio-scsi-pci", "virtio3": "/dev/disk/by-id/x"}, "scsi0", []),
    ],
)  # fmt: skip
def test_foreign_volumes(config: dict[str, str], root: str, volumes: list[str]) -> None:
    """Volumes beside the first disk would be lost with the guest; directories and devices of the node would not."""
    assert list(foreign_volumes(config, root)) == volumes
