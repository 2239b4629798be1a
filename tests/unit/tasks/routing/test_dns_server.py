"""A real dnsmasq, with the configuration of a view, answers and forwards as declared."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from phoenix.converge import Daemon, File
from phoenix.derive.dns_answers import answer, is_outside
from phoenix.estate import Estate, Network, Service
from phoenix.tasks.routing.dns import dns_resources
from tests.support.estates import estate, guest
from tests.support.runs import planning_run

pytestmark = pytest.mark.skipif(
    not (shutil.which("dnsmasq") and shutil.which("dig")), reason="dnsmasq and dig are not installed"
)
PUBLIC, PRIVATE = "93.184.216.34", "192.168.178.1"
UPSTREAM = f"""
no-resolv
no-hosts
address=/#/{PUBLIC}
address=/#/2606:2800::1
address=/fritz.box/{PRIVATE}
address=/rebinding.test/{PRIVATE}
address=/blocked.test/0.0.0.0
"""
DB = {"db": Service(port=5432, scheme="tcp", clients=("edge",))}


def zones(network: dict[str, Any] | None = None, **settings: Any) -> Estate:
    """An estate with a public alias zone, an exposed service with names there, and a TCP service."""
    values = estate().settings.network.model_dump() | (network or {})
    own = ("shop.example.org", *(() if "example.org" in settings.get("forward", ()) else ("example.org",)))
    web = Service(port=8000, expose=True, aliases=own)
    app = guest("app", 20, "lxc", services={"web": web, **DB})
    return estate(app, alias_zones=("example.org",), network=Network.model_validate(values), **settings)


def free_port() -> int:
    """A port of the loopback interface that is free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            with suppress(OSError):
                udp.bind(tcp.getsockname())
                return int(tcp.getsockname()[1])


@contextmanager
def serving(folder: Path, name: str, config: str, port: int) -> Iterator[None]:
    """Run dnsmasq on a port of the loopback interface."""
    file = folder / f"{name}.conf"
    file.write_text(f"{config}\nport={port}\nlisten-address=127.0.0.1\nbind-interfaces\n", "utf-8")
    command = ["dnsmasq", "--keep-in-foreground", f"--conf-file={file}", "--pid-file", "--user=", "--log-facility=-"]
    with (folder / f"{name}.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            until = time.monotonic() + 10
            while query(port, "ready.invalid", tries=1) == "" and server.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            assert server.poll() is None, (folder / f"{name}.log").read_text("utf-8")
            yield
        finally:
            server.terminate()


def query(port: int, question: str, tries: int = 3) -> str:
    """The status of a query for a name and perhaps a type, and its answers; empty if no server answers."""
    command = ["dig", f"+tries={tries}", "+time=1", "+noall", "+comments", "+answer", "@127.0.0.1", "-p", str(port)]
    out = subprocess.run([*command, *question.split()], capture_output=True, text=True, check=False).stdout
    status = next((line.split("status: ")[1].split(",")[0] for line in out.splitlines() if "status: " in line), "")
    return " ".join([status, *(line.split()[-1] for line in out.splitlines() if line and not line.startswith(";"))])


@contextmanager
def view(folder: Path, of: Estate) -> Iterator[int]:
    """Serve the guest view of an estate with an upstream server; gives the view's port."""
    upstream, port = free_port(), free_port()
    run = planning_run(of)
    daemons = [one for one in dns_resources(run, of.hypervisors[0]) if isinstance(one, Daemon)]
    files = [file for one in daemons for file in (*one.files, *one.reread) if isinstance(file, File)]
    written = {Path(file.path).name: file for file in files}
    (folder / "hosts").write_text(written["guest-hosts"].content, "utf-8")
    config = written["guest.conf"].content.replace(written["guest-hosts"].path, str(folder / "hosts"))
    left_out = ("port=", "listen-address=", "bind-dynamic", "except-interface=", "dns-loop-detect")
    lines = [line for line in config.splitlines() if not line.startswith(left_out)]
    servers = {f"server={server}" for server in of.settings.network.upstream_dns}
    lines = [f"server=127.0.0.1#{upstream}" if line in servers else line for line in lines]
    with serving(folder, "upstream", UPSTREAM, upstream), serving(folder, "view", "\n".join(lines), port):
        yield port


MESH, APP = "NOERROR 10.0.0.12", "NOERROR 10.0.0.20"


@pytest.mark.parametrize(
    ("of", "answers"),
    [
        (
            zones(),
            {
                "shop.example.org": MESH,
                "example.org": MESH,
                "db.lab.test": APP,
                "www.example.org": "NXDOMAIN",
                "unknown.lab.test": "NXDOMAIN",
                "other.test": f"NOERROR {PUBLIC}",
                "rebinding.test": "NOERROR",
                "nas.fritz.box": "NOERROR",
                "www.example.org AAAA": "NXDOMAIN",
            },
        ),
        (
            zones(forward={"www.example.org": "upstream"}),
            {
                "www.example.org": f"NOERROR {PUBLIC}",
                "www.example.org AAAA": "NOERROR 2606:2800::1",
                "a.www.example.org": f"NOERROR {PUBLIC}",
                "blog.example.org": "NXDOMAIN",
                "shop.example.org": MESH,
                "shop.example.org AAAA": "NOERROR",
                "unknown.lab.test": "NXDOMAIN",
            },
        ),
        (
            zones(forward={"example.org": "upstream"}),
            {
                "www.example.org": f"NOERROR {PUBLIC}",
                "blog.example.org": f"NOERROR {PUBLIC}",
                "example.org": f"NOERROR {PUBLIC}",
                "shop.example.org": MESH,
                "shop.example.org AAAA": "NOERROR",
                "unknown.lab.test": "NXDOMAIN",
            },
        ),
        (
            zones({"private_answers": ("fritz.box",)}),
            {"nas.fritz.box": f"NOERROR {PRIVATE}", "rebinding.test": "NOERROR", "unknown.lab.test": "NXDOMAIN"},
        ),
        (
            zones({"private_answers": ("*",)}),
            {"nas.fritz.box": f"NOERROR {PRIVATE}", "rebinding.test": f"NOERROR {PRIVATE}"},
        ),
        (
            zones({"upstream_dns": (IPv4Address("10.0.0.20"),)}),
            {"nas.fritz.box": f"NOERROR {PRIVATE}", "blocked.test": "NOERROR 0.0.0.0", "unknown.lab.test": "NXDOMAIN"},
        ),
        (
            zones(records={"printer": IPv4Address("10.0.0.200"), "cam.example.org": IPv4Address("10.0.0.201")}),
            {"printer.lab.test": "NOERROR 10.0.0.200", "cam.example.org": "NOERROR 10.0.0.201"},
        ),
    ],
    ids=["plain", "a name", "a whole zone", "private answers", "all private answers", "own resolver", "records"],
)
def test_answers(tmp_path: Path, of: Estate, answers: dict[str, str]) -> None:
    """Declared names have their addresses, forwarded and foreign names those of upstream, all others do not exist."""
    with view(tmp_path, of) as port:
        assert {name: query(port, name) for name in answers} == answers


@pytest.mark.parametrize("forward", [{}, {"www.example.org": "upstream"}, {"example.org": "upstream"}])
def test_prediction(tmp_path: Path, forward: dict[str, str]) -> None:
    """The predicted answer to a query is the server's."""
    of = zones(forward=forward)
    labels = ("shop.example.org", "www.example.org", "a.shop.example.org", "x.www.example.org", "example.org")
    with view(tmp_path, of) as port:
        for name in (*labels, "db.lab.test", "unknown.lab.test", "other.test"):
            predicted = answer(of, name)
            expected = PUBLIC if is_outside(of, predicted) else predicted.guest
            assert query(port, name) == (f"NOERROR {expected}" if expected else "NXDOMAIN"), name
