"""Rotation of root, intermediate and provisioner: no request fails, and a rotation can be continued or undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.places import ROOT
from tests.system import bench
from tests.system.load import EVERY_SERVICE, load
from tests.system.test_certificates import LEAVES

pytestmark = [pytest.mark.usefixtures("estate", "root_for_the_client"), pytest.mark.timeout(300)]
CLIENT_BUNDLE = "/root/phoenix_ca_bundle.crt"
COMMAND = (sys.executable, "runbooks/rotate.py", "--lab", "--yes")
STORE = "/etc/ssl/certs/ca-certificates.crt"


def published(name: str) -> str:
    """Return a file that the CA publishes."""
    return bench.sh("pve", f"cat {bench.CA_DIRECTORY}/{name}")


def anchors() -> list[str]:
    """Return the fingerprints of the published trust anchors."""
    split = "awk '/BEGIN/ {n++} {print >\"/run/anchor-\" n}'; for f in /run/anchor-*; do openssl x509 -in $f -noout"
    count = f"rm -f /run/anchor-*; {split} -fingerprint; done; rm -f /run/anchor-*"
    status, output = bench.inside("pve", count, data=published("phoenix_ca_bundle.crt").encode())
    assert status == 0, output
    return output.split("\n")[:-1]


def issuer_ids() -> dict[str, str]:
    """Return the authority key identifier of each leaf."""
    show = "openssl x509 -in {} -noout -ext authorityKeyIdentifier | tail -n 1"
    return {path: bench.sh(host, show.format(path)).strip() for host, path, _ in LEAVES}


def give_client_the_bundle() -> int:
    """Copy the bundle to the client, as an operator would during a rotation; return its number of anchors."""
    bundle = published("phoenix_ca_bundle.crt") + "\n"
    put = f"cat >{CLIENT_BUNDLE}.new && mv {CLIENT_BUNDLE}.new {CLIENT_BUNDLE}"
    assert bench.inside("client", put, data=bundle.encode())[0] == 0
    return bundle.count("BEGIN")


def rotate(*options: str) -> str:
    """Run the runbook; it must succeed. Return its output."""
    status, output = bench.run(*COMMAND, *options, limit=240)
    assert status == 0, output
    return output


def trusting(pem: str) -> set[str]:
    """Return the hosts with a certificate in their system store, recognized by its third base64 line."""
    seen = bench.everywhere(bench.TRUSTED, f"grep -qxF '{pem.splitlines()[3]}' {STORE}")
    return {host for host, (status, _) in seen.items() if status == 0}


def test_root_is_rotated_without_a_failed_request() -> None:
    """A new root replaces the old one in every store and every leaf, and no request to any service fails meanwhile."""
    old, before = published("phoenix_ca.crt"), issuer_ids()
    give_client_the_bundle()
    with load("client", *EVERY_SERVICE, anchors=CLIENT_BUNDLE, pause=0.2) as requests:
        rotate("--root", "--announce")
        assert (issuer_ids(), published("phoenix_ca.crt")) == (before, old)
        assert give_client_the_bundle() == 2
        rotate("--root")
    assert requests.failures == []
    assert requests.done > 100
    new = published("phoenix_ca.crt")
    assert new != old
    assert (trusting(old), trusting(new)) == (set(), set(bench.TRUSTED))
    after = issuer_ids()
    assert [path for path in before if before[path] == after[path]] == []
    bench.give_client_the_root()
    status, output = bench.fetch("qdrant")
    assert status == 0, output
    assert bench.deploy().changes == []


def test_killed_controller_and_no_failed_request() -> None:
    """The same command completes a rotation whose controller was killed after the switch, and no request fails."""
    root, issuer, before = published("phoenix_ca.crt"), published("phoenix_ca_issuer.crt"), issuer_ids()
    with load("client", *EVERY_SERVICE, pause=0.2) as requests:
        with subprocess.Popen([*COMMAND, "--intermediate"], cwd=ROOT, stdout=subprocess.DEVNULL) as run:
            while "/next/" not in bench.sh("pve", f"cat {bench.CA_DIRECTORY}/config/ca.json"):
                assert run.poll() is None
            run.kill()
        rotate("--intermediate")
    assert requests.failures == []
    assert published("phoenix_ca.crt") == root
    assert published("phoenix_ca_issuer.crt") != issuer
    after = issuer_ids()
    assert [path for path in before if before[path] == after[path]] == []
    assert "/next/" not in bench.sh("pve", f"cat {bench.CA_DIRECTORY}/config/ca.json")
    assert bench.sh("step-ca", "ls -d /etc/step-ca/ssl/next 2>/dev/null || echo none") == "none"


def test_unreachable_host_stops_it_and_back_undoes_it() -> None:
    """An unreachable host stops the rotation before the switch, a deployment keeps both roots, --back removes one."""
    before, issuers = anchors(), issuer_ids()
    bench.sh("pve", "pct stop 917")
    status, output = bench.run(*COMMAND, "--root", limit=120)
    assert status == 1
    assert "the rotation stops here, because llamacpp failed" in output
    assert issuer_ids() == issuers
    deployed = bench.deploy()
    assert deployed.status == 0, deployed.output
    assert len(anchors()) == len(before) + 1
    rotate("--root", "--back")
    assert anchors() == before
    assert issuer_ids() == issuers


def test_provisioner_gets_another_key() -> None:
    """The provisioner gets a new key and password, and every leaf names the new key."""
    show = f'grep -o \'"kid": *"[^"]*"\' {bench.CA_DIRECTORY}/config/ca.json'
    before, secret = bench.sh("pve", show), f"cat {bench.CA_DIRECTORY}/secrets/provisioner_password"
    password = bench.sh("pve", secret)
    rotate("--provisioner")
    after = bench.sh("pve", show)
    assert (before != after, password != bench.sh("pve", secret)) == (True, True)
    kid = after.split('"')[3]
    for host, path, _ in LEAVES:
        assert bench.sh(host, f"openssl x509 -in {path} -noout -text | grep -c -e {kid}") == "1"
