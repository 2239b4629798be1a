"""The authority's guest is cut off after each side effect in turn, and its work ends as if nothing had happened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.lab import bench
from tests.lab.crash import MOVING, kill_after_each

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(600)]

STATE = "/etc/step-ca/ssl"
WHOLE = f"""
cd {STATE} || exit 1
own() {{ openssl pkey -in secrets/$1_key -pubout $password; }}
same() {{ [ "$(openssl x509 -in certs/$1.crt -noout -pubkey)" = "$(own $1)" ]; }}
password='-passin file:{STATE}/secrets/password'
same root_ca && same intermediate_ca || {{ echo 'a key does not fit'; exit 1; }}
openssl verify -CAfile certs/root_ca.crt certs/intermediate_ca.crt || exit 1
cmp certs/root_ca.crt phoenix_ca.crt && cmp certs/root_ca.crt phoenix_ca_bundle.crt || exit 1
ls -A | grep -E '^[.]|^next$|phoenix-new|phoenix-back' && exit 1
systemctl is-active step-ca
"""


def whole() -> list[str]:
    """Keys fit, the root is above the intermediate and published, nothing lies about; gives the sums of both."""
    bench.said("step-ca", WHOLE)
    return bench.said("step-ca", f"cd {STATE}/certs && sha256sum root_ca.crt intermediate_ca.crt").split()[::2]


def rotate() -> tuple[int, str]:
    """Rotate the intermediate, as far as it goes."""
    return bench.run(sys.executable, "runbooks/rotate.py", "--lab", "--yes", "--intermediate", limit=120)


@pytest.mark.usefixtures("kept")
def test_init() -> None:
    """The state is made whole, with one root and one intermediate, wherever its making is cut off."""
    before = whole()
    bench.said("step-ca", f"systemctl stop step-ca && find {STATE} -mindepth 1 -delete")
    killed = kill_after_each("step-ca", lambda: bench.deploy("--target", "step-ca"))
    assert set(whole()).isdisjoint(before)
    ours = f"find {STATE} -type f -exec grep -l 'BEGIN CERT' {{}} + | xargs -n1 openssl x509 -noout -subject_hash -in"
    assert len(set(bench.said("step-ca", ours).split())) == 2, "a root and an intermediate"
    assert bench.deploy("--target", "step-ca").changes == []
    assert len(killed) > 15


def test_rotate() -> None:
    """An intermediate is rotated to its end wherever the authority is cut off, and the root stays."""
    before = whole()
    killed = kill_after_each("step-ca", rotate, MOVING)
    after = whole()
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    assert bench.deploy().changes == []
    status, output = bench.fetch("portainer", "/api/system/status")
    assert status == 0, output
    assert len(killed) > 10


@pytest.mark.usefixtures("kept")
def test_restore(sealed: Path) -> None:
    """A lost state is restored to its end wherever that is cut off, and is the one that was lost."""
    before = whole()
    status, output = bench.authority("backup", str(sealed))
    assert status == 0, output
    bench.said("pve", f"find {bench.CA_DIRECTORY} -mindepth 1 -delete")
    killed = kill_after_each("step-ca", lambda: bench.authority("restore", str(sealed)), MOVING)
    assert whole() == before
    assert bench.deploy().changes == []
    assert len(killed) > 5
