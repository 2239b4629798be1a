"""The CA over its lifetime: backup and restore, offline root, refused names, reset and revocation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]
STATE = "/etc/step-ca/ssl"
URL = f"--ca-url https://ca.{bench.ZONE}:9000"


def fingerprint() -> str:
    """Return the root's fingerprint, from the CA's own file."""
    return bench.sh("step-ca", f"openssl x509 -in {STATE}/certs/root_ca.crt -noout -fingerprint -sha256")


@pytest.mark.usefixtures("kept")
def test_lost_state_is_restored(sealed: Path) -> None:
    """A sealed backup restores the same CA after its directory is lost, and the next deployment changes no host."""
    root = fingerprint()
    status, output = bench.authority("backup", str(sealed))
    assert status == 0, output
    content = sealed.read_bytes()
    assert (content.startswith(b"age-encryption.org/v1\n-> scrypt "), sealed.stat().st_mode & 0o777) == (True, 0o600)
    assert bench.sh("step-ca", "systemctl is-active step-ca") == "active"
    status, output = bench.authority("restore", str(sealed))
    assert status == 1
    assert "a backup is never restored over one" in output
    bench.sh("pve", f"find {bench.CA_DIRECTORY} -mindepth 1 -delete")
    status, output = bench.authority("restore", str(sealed))
    assert status == 0, output
    assert fingerprint() == root
    assert bench.deploy().changes == []
    assert bench.authority("backup", str(sealed))[0] == 2
    assert sealed.read_bytes() == content


DAMAGE = (
    ("rm secrets/intermediate_ca_key", "secrets/intermediate_ca_key missing"),
    ("echo '{' >config/ca.json", "config/ca.json cannot be read"),
    ("cp certs/root_ca.crt certs/intermediate_ca.crt", "does not belong to certs/intermediate_ca.crt"),
    ("rm -r db", "db missing"),
)


@pytest.mark.usefixtures("kept")
def test_damaged_state_is_refused() -> None:
    """A damaged state is reported with its fault and the remedy, and is not changed."""
    listing = f"cd {bench.CA_DIRECTORY} && find . -type f ! -path './db/*' -exec sha256sum {{}} + | sort"
    for harm, message in DAMAGE:
        bench.sh("pve", f"cd {bench.CA_DIRECTORY} && {harm}")
        before = bench.sh("pve", listing)
        run = bench.deploy("--target", "step-ca")
        assert run.status == 1
        assert message in run.errors("step-ca")
        assert "restore FILE" in run.errors("step-ca")
        assert bench.sh("pve", listing) == before
        bench.sh("pve", f"cp -a /root/kept/. {bench.CA_DIRECTORY}/")
    bench.sh("step-ca", "systemctl restart step-ca")


def test_root_can_be_offline(sealed: Path) -> None:
    """With its root key offline, the CA keeps working; a new intermediate needs the key, and the key can return."""
    status, output = bench.authority("root-offline", str(sealed))
    assert status == 0, output
    find = (
        f"grep -rl PRIVATE {STATE} | while read f; do openssl pkey -in $f -passin file:{STATE}/secrets/password -pubout"
    )
    keys = bench.sh("step-ca", f"{find}; done 2>/dev/null; true")
    assert bench.sh("step-ca", f"openssl x509 -in {STATE}/certs/root_ca.crt -noout -pubkey") not in keys
    assert "PUBLIC KEY" in keys
    run = bench.deploy("--target", "step-ca")
    assert (run.status, run.changes) == (0, [])
    rotate = (sys.executable, "runbooks/rotate.py", "--lab", "--yes", "--intermediate")
    status, output = bench.run(*rotate, limit=120)
    assert status == 1
    assert "--root-key FILE" in output
    issuer = bench.sh("pve", f"cat {bench.CA_DIRECTORY}/phoenix_ca_issuer.crt")
    status, output = bench.run(*rotate, "--root-key", str(sealed), limit=240)
    assert status == 0, output
    assert bench.sh("pve", f"cat {bench.CA_DIRECTORY}/phoenix_ca_issuer.crt") != issuer
    assert bench.sh("step-ca", f"ls {STATE}/secrets/root_ca_key /run/phoenix.* 2>/dev/null || true") == ""
    status, output = bench.authority("root-online", str(sealed))
    assert status == 0, output
    own = f"openssl pkey -in {STATE}/secrets/root_ca_key -passin file:{STATE}/secrets/password -pubout"
    assert bench.sh("step-ca", own) == bench.sh("step-ca", f"openssl x509 -in {STATE}/certs/root_ca.crt -noout -pubkey")


OUTSIDE = f"""
cd $(mktemp -d) && export HOME=$PWD
as_step="setpriv --reuid=step --regid=step --clear-groups env STEPPATH={STATE}"
token=$($as_step step ca token elsewhere.example --provisioner admin@thinkheads.ai {URL} \
  --provisioner-password-file {STATE}/secrets/provisioner_password --root {STATE}/phoenix_ca.crt) || exit 1
export STEP_TOKEN=$token
step ca certificate {URL} --root {STATE}/phoenix_ca.crt elsewhere.example crt key 2>&1 && echo ISSUED
step certificate create elsewhere.example leaf.crt leaf.key --profile leaf --not-after 1h --no-password --insecure \
  --bundle --ca {STATE}/certs/intermediate_ca.crt --ca-key {STATE}/secrets/intermediate_ca_key \
  --ca-password-file {STATE}/secrets/password >&2 || exit 1
openssl verify -CAfile {STATE}/phoenix_ca.crt -untrusted leaf.crt leaf.crt 2>&1
openssl s_server -accept 4433 -cert leaf.crt -cert_chain leaf.crt -key leaf.key -www >/dev/null 2>&1 & server=$!
sleep 1
curl -sS --cacert {STATE}/phoenix_ca.crt --connect-to ::127.0.0.1:4433 https://elsewhere.example/ 2>&1
kill $server; cd /; rm -rf "$OLDPWD"
"""


def test_names_outside_the_estate_are_refused() -> None:
    """The CA refuses a name outside the zone, and clients refuse a certificate for it that the intermediate signed."""
    output = bench.inside("step-ca", OUTSIDE)[1]
    assert "ISSUED" not in output
    assert "permitted subtree violation" in output
    assert output.count("permitted subtree violation") == 2, output


def test_names_of_the_authority_change_in_place(tmp_path: Path) -> None:
    """A new name of the CA is served at once, with the same root and intermediate (F10)."""
    root = fingerprint()
    wider = inventory(tmp_path, ("aliases: [ca]", "aliases: [ca, pki]"))
    names = "openssl s_client -connect 127.0.0.1:9000 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"
    try:
        run = bench.deploy("--inventory", str(wider), "--target", "step-ca")
        assert run.status == 0, run.output
        assert f"DNS:pki.{bench.ZONE}" in bench.sh("step-ca", names)
    finally:
        assert bench.deploy("--target", "step-ca").status == 0
    assert f"DNS:pki.{bench.ZONE}" not in bench.sh("step-ca", names)
    assert fingerprint() == root


def test_zone_that_the_root_may_not_sign_for(tmp_path: Path) -> None:
    """A zone outside the root's constraints is refused before any issue, with the remedy."""
    wider = inventory(
        tmp_path, ("  - phoenix.local #", "  - other.example\n    - phoenix.local #"), file="defaults.yaml"
    )
    run = bench.deploy("--inventory", str(wider), "--target", "step-ca", "--dry-run")
    assert run.status == 1
    assert "may not sign for other.example: run phoenix rotate --root" in run.errors("step-ca")


def test_revoked_leaf_is_replaced_and_not_renewed() -> None:
    """A revoked certificate cannot be renewed, and its host has a replacement with another key."""
    certificate, key = "/persistent-storage/certs/portainer-agent.crt", "/persistent-storage/certs/portainer-agent.key"
    bench.sh("drphoenix", f"cp {certificate} /root/old.crt && cp {key} /root/old.key")
    command = (sys.executable, "runbooks/revoke.py", "--lab", "portainer-agent", "--yes")
    status, output = bench.run(*command, limit=120)
    assert status == 0, output
    renew = (
        f"HOME=/root step ca renew --force {URL} --root /etc/phoenix/phoenix_ca_bundle.crt /root/old.crt /root/old.key"
    )
    status, output = bench.inside("drphoenix", renew)
    assert status != 0
    assert "authorization" in output
    assert bench.inside("drphoenix", f"cmp /root/old.key {key}")[0] == 1
    bench.sh("drphoenix", "rm /root/old.crt /root/old.key")
    served = "openssl s_client -connect 10.0.0.102:9001 </dev/null 2>/dev/null | openssl x509 -noout -serial"
    assert bench.sh("drphoenix", served) == bench.sh("drphoenix", f"openssl x509 -in {certificate} -noout -serial")


def test_reset_replaces_everything_in_one_run() -> None:
    """One run archives the old state, creates a new root, distributes it and replaces every certificate."""
    root = fingerprint()
    mistyped = bench.run(sys.executable, "runbooks/deploy.py", "--lab", "--reset-ca", data=b"some.zone\n")
    assert (mistyped[0], fingerprint()) == (2, root)
    run = bench.deploy("--reset-ca", "--yes")
    assert run.status == 0, run.output
    assert fingerprint() != root
    old = f"for f in {STATE}/archive-*/certs/root_ca.crt; do openssl x509 -in $f -noout -fingerprint -sha256; done"
    assert root in bench.sh("step-ca", old)
    bench.give_client_the_root()
    for name in ("qdrant", "portainer", "ollama"):
        status, output = bench.fetch(name)
        assert status == 0, output


@pytest.mark.usefixtures("kept")
def test_interrupted_reset_is_completed() -> None:
    """A deployment without the flag completes a reset that was killed while archiving."""
    root = fingerprint()
    half = f"cd {STATE} && echo -n 20260101T000000 >.reset && mkdir .archive-20260101T000000"
    bench.sh("step-ca", f"{half} && mv config certs .archive-20260101T000000/")
    run = bench.deploy("--target", "step-ca")
    assert run.status == 0, run.output
    assert fingerprint() != root
    parts = bench.sh("step-ca", f"ls {STATE}/archive-20260101T000000 && ls -A {STATE}").split()
    assert {"config", "certs", "secrets", "db"} <= set(parts)
    assert not {".reset", ".init", ".archive-20260101T000000"} & set(parts)
    assert bench.deploy("--target", "step-ca").changes == []
