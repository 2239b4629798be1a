"""Routes through the gateway: protocols, headers, logs, limits, health checks, and changes under load."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.waiting import until
from tests.system import bench
from tests.system.edited import inventory
from tests.system.live import live
from tests.system.load import load

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]

ZONE = bench.ZONE
APP = f"https://thinkheads-ai.{ZONE}"
CURL = f"curl -sS --max-time 20 --cacert {bench.CLIENT_ROOT}"
BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
DASHBOARD = f"https://traefik.{ZONE}/dashboard/"


def test_http_2_websocket_and_grpc_pass() -> None:
    """HTTP/2, WebSockets, gRPC calls and gRPC streams work through the edge."""
    assert bench.sh("client", f"{CURL} -o /dev/null -w %{{http_version}} {APP}/health") == "2"
    with live() as seen:
        time.sleep(1)
    assert seen.failures == []
    assert min(seen.used.values()) >= 1
    assert seen.used["websocket"] > 5
    assert seen.used["calls"] > 5


def test_unknown_method_of_grpc_is_answered_by_the_backend() -> None:
    """The status of a gRPC call comes from the backend, in its trailers: 12 is "unimplemented"."""
    options = "-H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary @/dev/null -D - -o /dev/null"
    assert "grpc-status: 12" in bench.sh("client", f"{CURL} {options} https://qdrant-grpc.{ZONE}/qdrant.Qdrant/Nothing")


def test_stream_is_not_buffered() -> None:
    """The gateway passes a backend's stream on without buffering: the first word arrives before the last."""
    timed = "python3 -uc 'import sys, time\nfor line in sys.stdin: print(time.time(), line.strip())'"
    words = [line.split() for line in bench.sh("client", f"{CURL} -N {APP}/stream | {timed}").splitlines()]
    times = [float(line[0]) for line in words if len(line) > 1]
    assert len(times) == 4
    assert times[-1] - times[0] > 0.6


def test_large_upload_is_refused_by_the_backend() -> None:
    """The backend, which accepts 4 MB, refuses a body of 64 MB; the gateway does not."""
    upload = f"head -c 64000000 /dev/zero | {CURL} -X POST -o /dev/null -w %{{http_code}} --data-binary @- {APP}/health"
    assert bench.sh("client", upload) == "413"
    assert "client intended to send too large" not in bench.sh("nginx-gateway", "cat /var/log/nginx/error.log")


def test_request_has_one_id_everywhere() -> None:
    """Client, backend and both logs have the same request id; the gateway ignores an id from the client."""
    output = bench.sh("client", f"{CURL} -D /dev/stderr -H 'X-Request-ID: forged' {APP}/headers 2>&1")
    request_id = next(line.split()[1] for line in output.splitlines() if line.startswith("x-request-id:"))
    assert json.loads(output.splitlines()[-1])["x-request-id"] == request_id != "forged"
    at_edge = bench.sh("nginx-gateway", f"grep -F {request_id} /var/log/nginx/access.log")
    assert json.loads(at_edge)["client"] == "10.0.0.50"
    at_mesh = json.loads(bench.sh("traefik", f"journalctl -u 'traefik*' -o cat --no-pager | grep -F {request_id}"))
    assert (at_mesh["RequestPath"], at_mesh["ServiceName"]) == ("/headers", "thinkheads-ai-checked@file")


def test_clients_cannot_forge_their_address() -> None:
    """The edge replaces a client's forwarding headers by the address that it sees."""
    forged = {
        "X-Forwarded-For": "10.0.0.20", "X-Real-IP": "10.0.0.20", "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=10.0.0.20", "X_Real_IP": "10.0.0.20",
    }  # fmt: skip
    headers = " ".join(f"-H '{name}: {value}'" for name, value in forged.items())
    seen = json.loads(bench.sh("client", f"{CURL} {headers} {APP}/headers"))
    assert seen["x-forwarded-for"].split(", ")[0] == seen["x-real-ip"] == "10.0.0.50"
    assert seen["x-forwarded-host"] == f"thinkheads-ai.{ZONE}"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-port"]) == ("https", "443")
    assert not {"x-forwarded-prefix", "forwarded", "x_real_ip"} & seen.keys()


def test_security_headers() -> None:
    """Responses have each security header once and do not reveal the backend."""
    for url in (f"{APP}/health", f"{APP}/nothing", f"https://portainer.{ZONE}/"):
        lines = bench.sh("client", f"{CURL} -o /dev/null -D - {url}").lower().splitlines()
        names = [line.split(":")[0] for line in lines if ":" in line]
        for name in ("strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy"):
            assert names.count(name) == 1, f"{url}: {name} in {names}"
        assert "server: nginx" in lines
        assert "x-powered-by" not in names


def test_logs_have_no_secrets() -> None:
    """Neither log contains a query, a cookie, a referrer or an authorization, for successful and failed requests."""
    secret = "hush-4f1d"
    headers = f"-H 'Authorization: Bearer {secret}' -H 'Cookie: s={secret}' -H 'Referer: https://x/?t={secret}'"
    for path in ("/health", "/nothing"):
        bench.sh("client", f"{CURL} -o /dev/null {headers} '{APP}{path}?token={secret}'")
    assert bench.inside("nginx-gateway", f"grep -r {secret} /var/log")[0] == 1
    assert bench.inside("traefik", f"journalctl -o cat --no-pager | grep {secret}")[0] == 1
    assert '"path":"/nothing"' in bench.sh("nginx-gateway", "tail -n 1 /var/log/nginx/access.log")


@pytest.mark.parametrize(
    ("host", "via", "port", "forged", "code"),
    [
        ("operator", "10.0.0.153", 443, "", "200"),
        ("client", "10.0.0.153", 443, "", "403"),
        ("client", "10.0.0.153", 443, "10.0.0.20", "403"),
        ("pve", "10.0.0.153", 443, "", "200"),
        ("pve", "10.0.0.12", 443, "", "200"),
        ("traefik", "10.0.0.12", 443, "", "403"),
        ("traefik", "10.0.0.12", 443, "10.0.0.20", "403"),
        ("traefik", "10.0.0.12", 8443, "10.0.0.20", "403"),
    ],
)
def test_dashboard_is_for_operators(host: str, via: str, port: int, forged: str, code: str) -> None:
    """The mesh's dashboard answers only operators' addresses and the hypervisor; forged headers have no effect."""
    trusted = bench.CLIENT_ROOT if host == "client" else BUNDLE
    header = f"-H 'X-Forwarded-For: {forged}' -H 'X-Real-IP: {forged}'" if forged else ""
    curl = f"curl -sS --max-time 10 --cacert {trusted} -o /dev/null -w '%{{http_code}}' {header}"
    assert bench.sh(host, f"{curl} --connect-to ::{via}:{port} {DASHBOARD}") == code


def _status(service: str) -> dict[str, str]:
    curl = f"curl -sS --cacert {BUNDLE} --connect-to ::10.0.0.12:443 https://traefik.{ZONE}/api/http/services"
    services = json.loads(bench.sh("pve", curl))
    servers: dict[str, str] = next(one.get("serverStatus", {}) for one in services if one["name"] == f"{service}@file")
    return servers


def _await_status(service: str, status: str) -> None:
    until(lambda: set(_status(service).values()) == {status}, 30)


def test_backends_are_checked() -> None:
    """The mesh reports a hanging backend as down, fails its requests quickly, and uses it again when it recovers."""
    for service in ("thinkheads-ai", "portainer", "qdrant", "qdrant-grpc", "ollama", "nginx"):
        _await_status(f"{service}-checked", "UP")
    pid = bench.sh("drphoenix", "docker inspect -f '{{.State.Pid}}' qdrant")
    bench.sh("drphoenix", f"kill -STOP {pid}")
    try:
        _await_status("qdrant-checked", "DOWN")
        _await_status("qdrant-grpc-checked", "DOWN")
        start = time.monotonic()
        code = bench.sh("client", f"{CURL} -o /dev/null -w '%{{http_code}}' https://qdrant.{ZONE}/readyz")
        assert code in ("502", "504")
        assert time.monotonic() - start < 15
    finally:
        bench.sh("drphoenix", f"kill -CONT {pid}")
    _await_status("qdrant-checked", "UP")
    assert bench.fetch("qdrant", "/readyz")[0] == 0


GREEDY = """
import socket, ssl, sys, time
anchors, name = sys.argv[1:]
context = ssl.create_default_context(cafile=anchors)
def begin(head):
    one = context.wrap_socket(socket.create_connection(("10.0.0.153", 443), 30), server_hostname=name)
    one.sendall(head.replace("NAME", name).encode())
    return one
slow, began = begin("GET / HTTP/1.1\\r\\nHost: NAME\\r\\nX: "), time.time()
held = [begin("POST / HTTP/1.1\\r\\nHost: NAME\\r\\nContent-Length: 9\\r\\n\\r\\n") for _ in range(300)]
for _ in range(50):
    status = begin("GET /health HTTP/1.1\\r\\nHost: NAME\\r\\n\\r\\n").recv(1024).split()[1].decode()
    if status != "200":
        break
    time.sleep(0.1) # some of the held requests may still be on their way
print(status)
[one.close() for one in held]
slow.recv(1024)
print(int(time.time() - began))
"""


def test_slow_and_greedy_clients_are_limited() -> None:
    """A request whose head takes more than 15 s is closed, and one address may have 256 concurrent requests."""
    script = f"python3 -c '{GREEDY}' {bench.CLIENT_ROOT} thinkheads-ai.{ZONE}"
    refused, seconds = bench.sh("client", script).split()
    assert refused == "429"
    assert 13 <= int(seconds) <= 20
    assert bench.fetch("thinkheads-ai", "/health")[0] == 0


DECLARED = "      ollama: {port: 11434, expose: true, health: /api/tags}\n"
ADDED = DECLARED + "      extra: {port: 11500, expose: true, health: /}\n"
CHANGED = DECLARED + "      extra: {port: 11500, expose: true}\n"


def test_changes_of_routes_cut_no_connection(tmp_path: Path) -> None:
    """While a route is added, changed and removed and the edge reloads, open connections stay and no request fails."""
    added = inventory(tmp_path / "added", (DECLARED, ADDED))
    changed = inventory(tmp_path / "changed", (DECLARED, CHANGED))
    qdrant = f"https://qdrant.{ZONE}/readyz"
    listen = "mkdir -p /run/empty && systemd-run -q --unit=extra --collect python3 -m http.server 11500 -d /run/empty"
    bench.sh("ollama", listen)
    with live() as seen, load("client", qdrant, f"--data x=1 {qdrant}") as requests:
        runs = [bench.deploy("--inventory", str(one)) for one in (added, changed)]
        for _ in range(3):
            time.sleep(0.5)
            bench.sh("nginx-gateway", "systemctl reload nginx")
        runs.append(bench.deploy())
    bench.sh("ollama", "systemctl stop extra")
    assert [run.status for run in runs] == [0, 0, 0], [run.output for run in runs]
    assert all(run.changes for run in runs)
    assert (seen.failures, requests.failures) == ([], [])
    assert min(seen.used["websocket"], seen.used["calls"], requests.done) > 50
