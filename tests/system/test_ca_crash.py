"""The CA's guest is killed after each side effect in turn, and the repeated work still completes correctly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from phoenix.pki.sealed import unseal
from tests.support.age import seal_lightly
from tests.system import bench
from tests.system.conftest import PASSPHRASE
from tests.system.crash import MOVING, kill_after_each
from tests.system.load import load

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


ARCHIVED = f"""
cd {STATE}/previous && of=$(sha256sum */root_ca.crt | sed -n 's/^{{root}}  //p' | tail -n 1)
cd "${{{{of%/*}}}}" || exit 1
fits() {{{{ [ "$(openssl x509 -in $1.crt -noout -pubkey)" = "$(openssl pkey -in $1_key -pubout $password)" ]; }}}}
password='-passin file:{STATE}/secrets/password'
[ -n "$of" ] && fits root_ca && fits intermediate_ca && echo whole
"""
"""Checks that a replaced root and its intermediate are archived with their keys."""


def check_state() -> list[str]:
    """Check keys, chain, published files and absence of temporary files; return hashes of root and intermediate."""
    bench.sh("step-ca", WHOLE)
    return bench.sh("step-ca", f"cd {STATE}/certs && sha256sum root_ca.crt intermediate_ca.crt").split()[::2]


BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
URLS = (f"https://qdrant.{bench.ZONE}/readyz", f"https://portainer.{bench.ZONE}/api/system/status")
PROGRESS = f"grep -oE '(certs|secrets|next)/[a-z_.]*ca[a-z_.]*' {STATE}/config/ca.json | tr '\\n' ' '"
"""Prints the progress of a rotation: the files that ca.json names."""
SIGNS = rf"""
cd {STATE} || exit 1
of() {{ sed -nE "s/.*\"$1\": *\"([^\"]*)\".*/\1/p" config/ca.json; }}
own() {{ openssl pkey -in $(of key) -pubout -passin file:secrets/password; }}
[ "$(openssl x509 -in $(of crt) -noout -pubkey)" = "$(own)" ] &&
  timeout 5 openssl s_client -connect 127.0.0.1:9000 -CAfile phoenix_ca_bundle.crt -verify_return_error </dev/null
"""
"""Checks that the signing certificate matches its key, and that the published bundle verifies the CA's server."""


def rotate() -> tuple[int, str]:
    """Rotate the root; it may be killed."""
    return bench.run(sys.executable, "runbooks/rotate.py", "--lab", "--yes", "--root", limit=120)


@pytest.mark.usefixtures("kept")
def test_init() -> None:
    """Wherever the initialization is killed, repeating it gives a complete state with one root and one intermediate."""
    before = check_state()
    bench.sh("step-ca", f"systemctl stop step-ca && find {STATE} -mindepth 1 -delete")
    killed = kill_after_each("step-ca", lambda: bench.deploy("--target", "step-ca").outcome)
    assert set(check_state()).isdisjoint(before)
    subjects = (
        f"find {STATE} -type f -exec grep -l 'BEGIN CERT' {{}} + | xargs -n1 openssl x509 -noout -subject_hash -in"
    )
    assert len(set(bench.sh("step-ca", subjects).split())) == 2, "expected one root and one intermediate"
    assert bench.deploy("--target", "step-ca").changes == []
    assert len(killed) > 15


def replaced() -> set[str]:
    """Return the hashes of archived roots."""
    sums = bench.sh("step-ca", f"cd {STATE}; sha256sum previous/*/root_ca.crt 2>/dev/null; true")
    return {line.split()[0] for line in sums.splitlines()}


@pytest.mark.usefixtures("root_for_the_client")
def test_rotate() -> None:
    """Wherever the rotation is killed, repeating it rotates the root once, and no request with the bundle fails."""
    before, earlier = check_state(), replaced()
    with load("pve", *URLS, anchors=BUNDLE, pause=0.5, longest=400) as requests:
        killed = kill_after_each("step-ca", rotate, MOVING, progress=PROGRESS, holds=SIGNS)
    assert set(check_state()).isdisjoint(before)
    assert replaced() - earlier == {before[0]}, "it was rotated more than once"
    assert bench.sh("step-ca", ARCHIVED.format(root=before[0])) == "whole"
    assert requests.failures == []
    assert requests.done > 100
    assert bench.deploy().changes == []
    reloads = [effect for effect in killed if "systemctl reload step-ca" in effect]
    assert (len(reloads), len(killed) > 24) == (4, True), killed


@pytest.mark.usefixtures("kept")
def test_restore(sealed: Path) -> None:
    """Wherever a restore is killed, repeating it brings back the lost state."""
    before = check_state()
    status, output = bench.authority("backup", str(sealed))
    assert status == 0, output
    sealed.write_bytes(seal_lightly(unseal(sealed.read_bytes(), PASSPHRASE), PASSPHRASE))
    bench.sh("pve", f"find {bench.CA_DIRECTORY} -mindepth 1 -delete")

    def restore() -> tuple[int, str]:
        """Restore the backup; a refusal because the state is complete counts as success."""
        status, output = bench.authority("restore", str(sealed))
        return 0 if "a backup is never restored over one" in output else status, output

    killed = kill_after_each("step-ca", restore, MOVING)
    assert check_state() == before
    assert bench.deploy().changes == []
    assert len(killed) > 5
