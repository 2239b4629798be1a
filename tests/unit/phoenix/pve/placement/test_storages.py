"""Storages have what guests to be created need: existence, content types, space, and the files they are made from."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.estate import Estate, Template
from phoenix.pve.placement.storages import (
    clone_problems,
    is_listed,
    missing_file,
    needed_files,
    read_storages,
    storage_problems,
)
from tests.support.estates import estate, guest, hypervisor

GIB = 2**30
POOL = {"storage": "pool", "type": "dir", "content": "rootdir,images", "active": 1, "enabled": 1, "avail": 50 * GIB}
LOCAL = {"storage": "local", "type": "dir", "content": "vztmpl,import,iso", "active": 1, "enabled": 1, "avail": GIB}
BOX = guest("box", 20, disk=16)
MACHINE = guest("machine", 21, kind="vm", ostemplate=None, disk_image="local:import/x.qcow2", disk=40)
DISK = guest("disk", 22, kind="vm", ostemplate=None, disk_image="pool:100/vm-100-disk-0.raw")


def problems(*storages: dict[str, Any]) -> list[str]:
    """The problems of a container and a machine."""
    absent = (BOX, MACHINE)
    return list(storage_problems("pve", read_storages(storages), absent, needed_files(absent)))


@pytest.mark.parametrize(
    ("storages", "says"),
    [
        ((POOL, LOCAL), ()),
        ((LOCAL,), ("no storage 'pool' (there is local)",)),
        ((POOL,), ("no storage 'local' (there is pool)",)),
        (({**POOL, "active": 0}, LOCAL), ("pool is not active",)),
        (({**POOL, "enabled": 0}, LOCAL), ("pool is not active",)),
        (({**POOL, "content": "images"}, LOCAL), ("does not hold rootdir: `pvesm set pool --content images,rootdir`",)),
        (
            ({**POOL, "content": "backup"}, LOCAL),
            ("does not hold images and rootdir: `pvesm set pool --content backup,images,rootdir`",),
        ),
        ((POOL, {**LOCAL, "content": "vztmpl,iso"}), ("`pvesm set local --content import,iso,vztmpl`",)),
        (({**POOL, "avail": GIB}, LOCAL), ("pool has 1.0 GiB free, and box, machine need at least 2 GiB",)),
        (({**POOL, "type": "lvm"}, LOCAL), ("pool has 50.0 GiB free, and box, machine need at least 56 GiB",)),
        (({**POOL, "type": "lvmthin"}, LOCAL), ()),
        (({key: value for key, value in POOL.items() if key != "avail"}, LOCAL), ()),
    ],
)
def test_problems(storages: tuple[dict[str, Any], ...], says: tuple[str, ...]) -> None:
    """Each storage that lacks something is a problem, with the command or key that corrects it."""
    found = problems(*storages)
    assert len(found) == len(says)
    assert [words for words, problem in zip(says, found, strict=True) if words not in problem] == []


@pytest.mark.parametrize(("shared", "says"), [(1, []), (0, ["pool is not shared: declare a template on b"])])
def test_clones_of_another_node(shared: int, says: list[str]) -> None:
    """A template of another node is cloned only from a storage that both nodes see."""
    a, b = (hypervisor(node=name).model_copy(update={"name": name}) for name in ("a", "b"))
    clone = guest("copy", 23, clone_of="base", ostemplate=None, hypervisor="b")
    values = {"groups": (), "kind": "lxc", "storage": "pool", "ostemplate": "local:x/y"}
    base = Template(name="base", vmid=900, hypervisor="a", **values)
    two = Estate(settings=estate().settings, hypervisors=(a, b), guests=(clone,), templates=(base,))
    found = list(clone_problems("b", two, read_storages([{**POOL, "shared": shared}]), [clone, BOX]))
    assert [words in problem for words, problem in zip(says, found, strict=True)] == [True] * len(says)


def test_files() -> None:
    """A file is looked for only where its storage lists its content type, and is named with what is made from it."""
    files = needed_files((BOX, MACHINE, DISK, guest("more", 23)))
    assert [(file.volume, file.content, file.machines) for file in files] == [
        ("local:import/x.qcow2", "import", ("machine",)),
        ("local:vztmpl/x", "vztmpl", ("box", "more")),
        ("pool:100/vm-100-disk-0.raw", "images", ("disk",)),
    ]
    storages = read_storages(({**LOCAL, "content": "vztmpl"},))
    assert [is_listed(file, storages) for file in files] == [False, True, False]
    assert list(missing_file("pve", files[1], {"local:vztmpl/x"})) == []
    assert list(missing_file("pve", files[1], ())) == [
        "pve: local:vztmpl/x is not there, and box, more would be made from it: download it to its storage"
    ]
