"""What makes a new guest unique: SSH host keys belong to a template, and to all containers that are cloned from it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.guests.provision import make_unique
from phoenix.lab.pve.guests.rootfs import Rootfs
from phoenix.lab.pve.guests.spec import parse

KEYS = ["ssh_host_ecdsa_key", "ssh_host_ed25519_key"]


@pytest.fixture
def rootfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rootfs:
    """Return the root file system of a privileged guest in a temporary directory."""
    monkeypatch.setattr("phoenix.lab.pve.guests.rootfs.CONTAINERS", tmp_path)
    monkeypatch.setattr("os.chown", lambda *_: None)
    (tmp_path / "103/merged").mkdir(parents=True)
    return Rootfs(103, unprivileged=False)


def public_keys(rootfs: Rootfs) -> list[str]:
    """Return the public host keys of a guest."""
    return [rootfs.read(f"/etc/ssh/{key}.pub") for key in KEYS]


@pytest.mark.parametrize(
    ("kind", "keeps"), [pytest.param("lxc", True, id="container"), pytest.param("vm", False, id="VM")]
)
def test_host_keys_of_a_clone(kind: str, *, keeps: bool, rootfs: Rootfs) -> None:
    """A created guest gets host keys; the clone of a container keeps its origin's, that of a VM gets its own."""
    spec = parse(103, kind, {"hostname": "base", "name": "base"})
    make_unique(rootfs, spec, is_clone=False)
    created, machine = public_keys(rootfs), rootfs.read("/etc/machine-id")
    assert all(key.endswith(" root@base\n") for key in created)
    make_unique(rootfs, spec, is_clone=True)
    assert (public_keys(rootfs) == created) is keeps
    assert rootfs.read("/etc/machine-id") != machine
