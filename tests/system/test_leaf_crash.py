"""Issue and renewal are killed after each side effect in turn, and the repeated work still completes correctly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system import bench
from tests.system.crash import kill_after_each
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(600)]

EDGE = "/etc/nginx/ssl/internal_traefik_proxy"
RENEWAL = "phoenix-renew-internal-traefik-proxy.service"
PAIR = (
    'same() { [ "$(openssl x509 -in $1 -noout -pubkey)" = "$(openssl pkey -in $2 -pubout $3)" ] || '
    "{ echo $1 and $2 are no pair; exit 1; }; }\n"
)
LEFTOVERS = "ls -A {folder} | grep -E '^[.]phoenix|phoenix-new|phoenix-back' || true"
SERVES = (
    "timeout 5 openssl s_client -connect 127.0.0.1:443 -servername nginx.internal.thinkheads.ai "
    "-CAfile /etc/phoenix/phoenix_ca_bundle.crt -verify_return_error </dev/null"
)


def assert_converged(target: str) -> None:
    """The next run succeeds, and the one after it changes nothing."""
    assert bench.deploy("--target", target).status == 0
    again = bench.deploy("--target", target)
    assert again.status == 0, again.output
    assert again.changes == []


def assert_edge_is_complete() -> None:
    """The edge's certificate verifies and matches its key, no temporary file is left, and the edge presents it."""
    bundle = "/etc/phoenix/phoenix_ca_bundle.crt"
    script = f"{PAIR} same {EDGE}.crt {EDGE}.key && openssl verify -CAfile {bundle} -untrusted {EDGE}.crt {EDGE}.crt"
    bench.sh("nginx-gateway", script)
    assert bench.sh("nginx-gateway", LEFTOVERS.format(folder="/etc/nginx/ssl")) == ""
    shown = "echo | openssl s_client -connect 127.0.0.1:443 -servername nginx.internal.thinkheads.ai 2>/dev/null"
    serial = bench.sh("nginx-gateway", f"{shown} | openssl x509 -noout -serial")
    assert serial == bench.sh("nginx-gateway", f"openssl x509 -in {EDGE}.crt -noout -serial")


def test_issue() -> None:
    """Wherever the issue is killed, repeating it issues the leaf and reloads the service."""
    bench.sh("nginx-gateway", f"mv {EDGE}.crt {EDGE}.key /root/")
    killed = kill_after_each("nginx-gateway", lambda: bench.deploy("--target", "nginx-gateway").outcome, holds=SERVES)
    assert_converged("nginx-gateway")
    assert_edge_is_complete()
    bench.sh("nginx-gateway", "rm /root/internal_traefik_proxy.*")
    assert len(killed) > 6, killed


def test_renew(tmp_path: Path) -> None:
    """Wherever the renewal is killed, repeating it renews the leaf and reloads the service."""
    always_due = ("leaf: {lifetime: 7d, renew_before: 3d}", "leaf: {lifetime: 7d, renew_before: 604798s}")
    edited = bench.deploy(
        "--target", "nginx-gateway", "--inventory", str(inventory(tmp_path, always_due, file="defaults.yaml"))
    )
    assert edited.status == 0, edited.output
    # A leaf is due two seconds after its issue; on a fast machine, it was issued less than that ago.
    before = bench.sh("nginx-gateway", f"sleep 3; openssl x509 -in {EDGE}.crt -noout -serial")
    try:
        # The timer would renew the leaf between two kills.
        bench.sh("nginx-gateway", f"systemctl stop {RENEWAL.replace('.service', '.timer')}")
        renew = f"/usr/bin/systemctl reset-failed {RENEWAL}; /usr/bin/systemctl start {RENEWAL}"
        killed = kill_after_each("nginx-gateway", lambda: bench.inside("nginx-gateway", renew), holds=SERVES)
        assert_edge_is_complete()
        assert bench.sh("nginx-gateway", f"openssl x509 -in {EDGE}.crt -noout -serial") != before
    finally:
        assert_converged("nginx-gateway")
    assert len(killed) > 6, killed
