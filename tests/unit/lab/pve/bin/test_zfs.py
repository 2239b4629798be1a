"""The stand-in for zfs answers like the real program."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.places import ROOT

PROGRAM = ROOT / "lab/pve/bin/zfs"
Zfs = Callable[..., str]


@pytest.fixture
def zfs(tmp_path: Path) -> Zfs:
    """Return a function that runs the program with an empty table and returns its output."""

    def run(*words: str) -> str:
        environment = {**os.environ, "LAB_ZFS_TABLE": str(tmp_path / "zfs.json")}
        command = [sys.executable, str(PROGRAM), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
        return (done.stdout + done.stderr).strip()

    return run


@pytest.mark.timeout(30)
def test_create_set_get_list(zfs: Zfs, tmp_path: Path) -> None:
    """A created dataset has its directory and properties; sizes are in bytes with -p, else in units."""
    mountpoint = tmp_path / "data"
    assert zfs("create", "-o", "quota=10G", "-o", f"mountpoint={mountpoint}", "quickOS/data") == ""
    assert mountpoint.is_dir()
    assert zfs("set", "recordsize=1M", "compression=zstd", "quickOS/data") == ""
    listed = zfs("list", "-H", "-p", "-o", "name,mountpoint,quota,recordsize,compression", "quickOS/data")
    assert listed.split("\t") == ["quickOS/data", str(mountpoint), "10737418240", "1048576", "zstd"]
    assert zfs("get", "-H", "-o", "value", "quota", "quickOS/data") == "10G"
    assert zfs("get", "-H", "-p", "-o", "value", "compression", "quickOS") == "on"


@pytest.mark.timeout(30)
def test_refusals(zfs: Zfs, tmp_path: Path) -> None:
    """An existing dataset cannot be created again; a missing one cannot be listed or have children."""
    zfs("create", "-o", f"mountpoint={tmp_path}/a", "quickOS/a")
    assert zfs("create", "quickOS/a") == "cannot create 'quickOS/a': dataset already exists"
    assert zfs("create", "-p", "quickOS/a") == ""
    assert zfs("list", "quickOS/b") == "cannot open 'quickOS/b': dataset does not exist"
    assert zfs("create", "quickOS/b/c") == "cannot create 'quickOS/b/c': parent does not exist"
    assert zfs("create", "nopool/x") == "cannot create 'nopool/x': no such pool 'nopool'"
