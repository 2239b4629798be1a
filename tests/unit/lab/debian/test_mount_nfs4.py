"""The stand-in for mount.nfs4."""

from __future__ import annotations

import subprocess

import pytest

from phoenix.lab.places import CODE


@pytest.mark.timeout(30)
def test_missing_export_is_refused() -> None:
    """Mounting a path that is not exported fails with the real program's status and message."""
    script = str(CODE / "debian/mount.nfs4")
    argv = ["sh", script, "10.0.0.13:/no/such", "/tmp", "-o", "rw,vers=4.2"]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=10)
    assert done.returncode == 32
    assert done.stderr == b"mount.nfs4: access denied by server while mounting 10.0.0.13:/no/such\n"
