"""The proof at the end of a deployment: what answers, what does not, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]

DECLARED = "      ollama: {port: 11434, expose: true, health: /api/tags}\n"
EXTRA = f"{DECLARED}      wiki: {{port: 11500, expose: true}}\n      shop: {{port: 11501, expose: true}}\n"
MANAGED = ("    vmid: 914\n", "    vmid: 914\n    workload: managed\n")
PLACE = "wiki.internal.thinkheads.ai: "
APP = """
import http.server, sys
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[3]))
        self.send_header("Location", "/login")
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), App).serve_forever()
"""


@contextmanager
def app(port: int, status: int, address: str = "0.0.0.0") -> Iterator[None]:
    """Run a program on ollama that answers every request with a status."""
    bench.sh("ollama", f"systemd-run -q --unit=app-{port} --collect python3 -c '{APP}' {address} {port} {status}")
    try:
        yield
    finally:
        bench.sh("ollama", f"systemctl stop app-{port}")


def proof_seconds(run: bench.Deployed) -> float:
    """The time of the proof."""
    (seconds,) = (t["seconds"] for t in run.record["hosts"]["pve"]["tasks"] if t["task"] == "prove_routes")
    return float(seconds)


@pytest.fixture(scope="module")
def changed(first_deployment: bench.Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001  # the fixture must run first
    """An inventory with two further services on ollama whose programs are managed, deployed once."""
    folder = str(inventory(tmp_path_factory.mktemp("changed"), (DECLARED, EXTRA), MANAGED))
    with app(11500, 302), app(11501, 404):
        done = bench.deploy("--inventory", folder)
        assert done.status == 0, done.output
    yield folder
    done = bench.deploy()
    assert done.status == 0, done.output


def test_targeted_run_proves_its_targets() -> None:
    """A run on one guest proves that guest's routes and lists no other name."""
    run = bench.deploy("--target", "ollama")
    assert run.status == 0, run.output
    answering = [line.strip() for line in run.output.splitlines() if line.startswith("  https://")]
    assert answering == [f"https://ollama.{bench.ZONE}/"]


@pytest.mark.parametrize("status", [200, 302, 401, 404])
def test_answers_of_an_application(changed: str, status: int) -> None:
    """A redirect, a question for a password and an unknown page are answers, and take no waiting."""
    with app(11500, status), app(11501, 200):
        run = bench.deploy("--inventory", changed, "--target", "ollama")
    assert run.status == 0, run.output
    assert f"https://wiki.{bench.ZONE}/" in run.output
    assert proof_seconds(run) < 5


def test_error_of_an_application(changed: str) -> None:
    """An error of the application's own is reported as such, not as one of the mesh."""
    with app(11500, 503), app(11501, 200):
        run = bench.deploy("--inventory", changed, "--target", "ollama")
    assert run.status == 1
    assert f"1 route does not answer:\n  {PLACE}ollama (10.0.0.155:11500) answers 503 to /" in run.errors("pve")
    assert f"https://wiki.{bench.ZONE}/" not in run.output


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "nothing listens on 10.0.0.155:11500 (no answer). Start its program, or say `workload: external`."),
        ("127.0.0.1", "the program listens on 127.0.0.1 port 11500 only. Make it listen on 10.0.0.155:11500."),
    ],
)
def test_nothing_listens(changed: str, address: str, problem: str) -> None:
    """A program that is down, or listens on loopback only, is reported soon with address and remedy."""
    with app(11501, 200):
        if address:
            with app(11500, 200, address):
                run = bench.deploy("--inventory", changed, "--target", "ollama")
        else:
            run = bench.deploy("--inventory", changed, "--target", "ollama")
    assert run.status == 1
    assert f"{PLACE}{problem}" in run.errors("pve")
    assert proof_seconds(run) < 15


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        ("10.0.0.13, 10.0.0.12", "ollama listens on 10.0.0.155:11500, but connections from pve are dropped."),
        ("10.0.0.12", "traefik does not reach 10.0.0.155:11500, which answers pve: a firewall drops it"),
    ],
)
def test_dropped(changed: str, sources: str, problem: str) -> None:
    """Packets that a firewall drops are told apart from a program that is down."""
    rule = f"ip saddr {{ {sources} }} tcp dport 11500 drop"
    hooks = "; ".join(
        f"chain {hook} {{ type filter hook {hook} priority -5; {rule}; }}" for hook in ("forward", "output")
    )
    bench.sh("pve", f"nft 'table inet other {{ {hooks}; }}'")
    try:
        with app(11500, 200), app(11501, 200):
            run = bench.deploy("--inventory", changed, "--target", "ollama")
    finally:
        bench.sh("pve", "nft delete table inet other")
    assert run.status == 1
    assert f"{PLACE}{problem}" in run.errors("pve")
    assert proof_seconds(run) < 40


def test_wrong_certificate() -> None:
    """A certificate that is not the estate's is reported with the proxy that presents it."""
    key, certificate = "/etc/nginx/ssl/internal_traefik_proxy.key", "/etc/nginx/ssl/internal_traefik_proxy.crt"
    subject = f"-subj /CN=x -addext 'subjectAltName=DNS:*.{bench.ZONE}'"
    own = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 {subject}"
    save = f"cp -a {certificate} /run/kept.crt && cp -a {key} /run/kept.key"
    bench.sh("nginx-gateway", f"{save} && {own} -keyout {key} -out {certificate} 2>&1 && systemctl reload nginx")
    try:
        run = bench.deploy("--target", "ollama")
    finally:
        bench.sh("nginx-gateway", f"mv /run/kept.crt {certificate}; mv /run/kept.key {key}; systemctl reload nginx")
    assert run.status == 1
    wrong = f"nginx-gateway (10.0.0.153:443) presents no valid certificate for ollama.{bench.ZONE}"
    assert wrong in run.errors("pve")


def test_new_service_without_its_proxies(tmp_path: Path) -> None:
    """A run on a guest with a new service says which hosts its name needs too."""
    added = inventory(tmp_path, (DECLARED, f"{DECLARED}      blog: {{port: 11502, expose: true}}\n"))
    with app(11502, 200):
        run = bench.deploy("--inventory", str(added), "--target", "ollama")
    bench.deploy("--target", "ollama")
    assert run.status == 1
    assert f"blog.{bench.ZONE}: nginx-gateway (10.0.0.153:443) presents no valid certificate" in run.errors("pve")
    assert "`phoenix deploy --target nginx-gateway`" in run.errors("pve")


def test_external_program_that_is_down() -> None:
    """The program of an external workload may be down: its name is listed as not answering, with the reason."""
    bench.sh("llamacpp", "systemctl stop lab-model-server")
    try:
        run = bench.deploy("--target", "llamacpp,ollama")
    finally:
        bench.sh("llamacpp", "systemctl start lab-model-server")
    assert run.status == 0, run.output
    silent, answering = run.output.split("These names answer:")
    problem = "nothing listens on 10.0.0.157:8081 (no answer). Start its program, which is external."
    assert f"down:\n  llamacpp.{bench.ZONE}: {problem}" in silent
    assert f"https://ollama.{bench.ZONE}/" in answering
    assert "llamacpp" not in answering.split("Try one")[0]
