"""The lab's smaller parts: images, stand-in packages, workloads, and constants that must agree."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from phoenix.directories import DEFAULT_LAB, ROOT_CACHE
from phoenix.lab import places
from phoenix.lab.internet.names import ADDRESSES, NAMES
from phoenix.lab.layers import Layer
from phoenix.lab.oci import STANDS, _stand_layer
from phoenix.lab.places import CODE, Places
from phoenix.lab.workloads import workloads
from tests.support.places import ROOT

pytestmark = pytest.mark.timeout(30)


def test_layers_are_reproducible() -> None:
    """The same stand-in gives the same layer, so that a digest can be pinned."""
    assert _stand_layer(STANDS[0]) == _stand_layer(STANDS[0])


def test_layer_has_its_directories() -> None:
    """A file brings the directories above it, once."""
    layer = Layer()
    layer.add("a/b/c", b"1", 0o755)
    layer.add("a/b/d", b"2")
    with tarfile.open(fileobj=io.BytesIO(layer.finish())) as archive:
        assert archive.getnames() == ["a", "a/b", "a/b/c", "a/b/d"]
        assert archive.getmember("a/b/c").mode == 0o755


@pytest.mark.parametrize("stand", STANDS, ids=lambda stand: stand.repository)
def test_every_image_has_its_program(stand: object) -> None:
    """Each image's program is in it and imports a stand-in that exists and says what it is."""
    assert isinstance(stand, type(STANDS[0]))
    source = (CODE / "standins" / f"{stand.module}.py").read_text()
    assert "Stand-in for" in source
    assert "def main()" in source


def test_stand_in_mount_refuses() -> None:
    """The stand-in for mount.nfs4 fails as the real one does when there is no such export."""
    script = str(CODE / "debian/mount.nfs4")
    argv = ["sh", script, "10.0.0.13:/no/such", "/tmp", "-o", "rw,vers=4.2"]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=10)
    assert done.returncode == 32
    assert done.stderr == b"mount.nfs4: access denied by server while mounting 10.0.0.13:/no/such\n"


def test_workloads_of_the_example() -> None:
    """The model servers of the example estate are played by the lab, each at its port."""
    found = workloads(ROOT / "inventory")
    assert {vmid: [port["port"] for port in ports] for vmid, ports in found.items()} == {
        "801": [8000],
        "802": [8000],
        "914": [11434],
        "917": [8081],
    }


def test_addresses_agree() -> None:
    """The network script gives the internet every address that a name leads to."""
    script = (CODE / "inside/network").read_text()
    line = re.search(r"for address in (.*); do", script)
    assert line is not None
    assert set(line[1].split()) == set(ADDRESSES) >= set(NAMES.values())
    for address in (places.HYPERVISOR, places.INTERNET, places.OPERATOR):
        assert address in script
    assert places.CLIENT in (CODE / "inside/client").read_text()


def test_names_of_labs() -> None:
    """A lab that lies elsewhere has a name of its own, so that two can run at once."""
    usual = Places(DEFAULT_LAB, ROOT_CACHE)
    other = Places(Path("/srv/lab"), ROOT_CACHE)
    assert usual.name == "phoenix-lab-pve"
    assert other.name != usual.name
    assert other.lock != usual.lock
