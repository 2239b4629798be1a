"""Faults of certificates outside the product's control: each gives a clear message, and the next run corrects it."""

from __future__ import annotations

import pytest

from tests.system import bench

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]

EDGE = "/etc/nginx/ssl/internal_traefik_proxy"
HOST = "nginx-gateway"
WHOLE = (
    f'[ "$(openssl x509 -in {EDGE}.crt -noout -pubkey)" = "$(openssl pkey -in {EDGE}.key -pubout)" ] && '
    f"openssl verify -CAfile /etc/phoenix/phoenix_ca_bundle.crt -untrusted {EDGE}.crt {EDGE}.crt"
)
EXPIRED = """
cd $(mktemp -d) && umask 077 && state=/etc/step-ca/ssl && step certificate create '*.{zone}' old.crt old.key --kty EC \
  --san '*.{zone}' --san {zone} --san portainer.phoenix.local --ca $state/certs/intermediate_ca.crt --bundle \
  --ca-key $state/secrets/intermediate_ca_key --ca-password-file $state/secrets/password \
  --not-before -48h --not-after -24h --no-password --insecure >/dev/null 2>&1 && cat old.crt old.key; rm -rf "$PWD"
"""


def hash_of_pair() -> str:
    """Return a hash of the edge's certificate and key."""
    return bench.sh(HOST, f"cat {EDGE}.crt {EDGE}.key | sha256sum")


def assert_corrected(reason: str) -> None:
    """One run replaces the certificate with that reason, the edge presents it, and the next run changes nothing."""
    run = bench.deploy("--target", HOST, "--diff")
    assert run.status == 0, run.output
    assert f"certificate {EDGE}.crt: {reason}" in run.output
    bench.sh(HOST, WHOLE)
    assert bench.sh(HOST, f"stat -c '%a %U' {EDGE}.key") == "600 root"
    status, output = bench.fetch("nginx", "/health")
    assert status == 0, output
    assert bench.deploy("--target", HOST).record["changed"] == 0


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (f"echo garbage >{EDGE}.key", "its key is absent or unreadable"),
        (f"openssl ecparam -name prime256v1 -genkey -noout -out {EDGE}.key", "its key does not match"),
        (f"head -c 300 {EDGE}.crt >{EDGE}.cut && mv {EDGE}.cut {EDGE}.crt", "unreadable"),
        (f"chmod 644 {EDGE}.key", "its key is open to other users (mode 0644)"),
    ],
)
def test_damaged_pair(harm: str, reason: str) -> None:
    """A key or certificate that is damaged, swapped or readable by others is replaced, with the reason."""
    bench.sh(HOST, harm)
    assert_corrected(reason)


def test_expired() -> None:
    """A leaf that expired while its guest was off fails its renewal visibly, and the next run replaces it."""
    pair = bench.sh("step-ca", EXPIRED.format(zone=bench.ZONE)).encode()
    parts = f"sed '/PRIVATE/,$d' $pair >{EDGE}.crt && sed -n '/BEGIN .*PRIVATE/,$p' $pair >{EDGE}.key"
    split = f"pair=$(mktemp) && cat >$pair && {parts}; rm $pair"
    status, output = bench.inside(HOST, split, data=pair + b"\n")
    assert status == 0, output
    unit = "phoenix-renew-internal-traefik-proxy.service"
    assert bench.inside(HOST, f"systemctl start {unit}")[0] != 0
    assert "was not renewed, it is good until" in bench.sh(HOST, f"journalctl -u {unit} -n 40 --no-pager -o cat")
    assert_corrected("expired ")
    bench.sh(HOST, f"systemctl reset-failed {unit}")


def test_unreachable_authority() -> None:
    """A host that cannot reach the CA reports that and keeps its certificate; the next run with the CA replaces it."""
    bench.sh(HOST, f"chmod 644 {EDGE}.key && ip route add unreachable 10.0.0.10/32")
    before = hash_of_pair()
    try:
        run = bench.deploy("--target", HOST)
    finally:
        bench.sh(HOST, "ip route del unreachable 10.0.0.10/32")
    assert run.status == 1, run.output
    assert f"{HOST} certificates: issue certificate {EDGE}.crt" in run.output
    assert "no route to host" in run.output.lower() or "unreachable" in run.output.lower()
    assert hash_of_pair() == before
    assert_corrected("its key is open to other users (mode 0644)")


def test_full_disk() -> None:
    """A full disk is reported and the old pair is unchanged; with free space, the next run succeeds."""
    fill = "head -c 1M /dev/zero >/etc/nginx/ssl/filler 2>/dev/null; true"
    bench.sh(
        HOST,
        f"cp -a /etc/nginx/ssl /root/kept && mount -t tmpfs -o size=32k tmpfs /etc/nginx/ssl && "
        f"cp -a /root/kept/. /etc/nginx/ssl && chmod 644 {EDGE}.key && {{ {fill}; }}",
    )
    before = hash_of_pair()
    try:
        run = bench.deploy("--target", HOST)
        assert hash_of_pair() == before
    finally:
        bench.sh(HOST, "umount /etc/nginx/ssl && rm -rf /root/kept")
    assert run.status == 1, run.output
    assert "o space left on device" in run.output
    assert bench.deploy("--target", HOST).record["changed"] == 0


def test_wrong_clock() -> None:
    """A guest with a wrong clock is reported and unchanged (`date` is replaced, because guests share a clock)."""
    before = hash_of_pair()
    bench.sh(HOST, "printf '#!/bin/sh\\necho 1000000000\\n' >/usr/local/sbin/date && chmod 755 /usr/local/sbin/date")
    try:
        run = bench.deploy("--target", HOST)
    finally:
        bench.sh(HOST, "rm /usr/local/sbin/date")
    assert run.status == 1, run.output
    assert " d behind the controller's" in run.output
    assert "timedatectl" in run.output
    assert hash_of_pair() == before
    assert bench.deploy("--target", HOST).record["changed"] == 0
