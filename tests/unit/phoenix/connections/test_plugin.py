"""Nornir's `get_connection`: a root shell on each host, over one connection per hypervisor that all hosts share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.state import GlobalState
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

from phoenix.connections import shared
from phoenix.connections.access import AccessError
from phoenix.connections.plugin import SharedConnection
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.estate.plugin import CONNECTION, as_nornir
from tests.support.estates import estate, guest
from tests.support.ssh_server import SshServer

GUESTS = tuple(guest(f"app-{number}", 20 + number, "lxc") for number in range(10))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """The node, and the access file that leads to it."""
    ConnectionPluginRegister.register(CONNECTION, SharedConnection)
    made = SshServer(tmp_path)
    ssh = made.access()
    api = {
        "url": "https://127.0.0.1:1",
        "fingerprint": ":".join(["AA"] * 32),
        "token_id": "phoenix@pve!deploy",
        "token_secret": "00000000-0000-0000-0000-000000000000",
    }
    file = tmp_path / "access.yaml"
    file.write_text(json.dumps({"pve": {"api": api, "ssh": json.loads(ssh.model_dump_json())}}))
    file.chmod(0o600)
    monkeypatch.setenv("PHOENIX_ACCESS", str(file))
    yield made
    made.close()


def nornir(inventory: Inventory | None = None) -> Nornir:
    """Nornir on the hosts of an estate, as InitNornir makes it."""
    return Nornir(
        inventory=inventory or as_nornir(estate(*GUESTS)),
        runner=ThreadedRunner(20),
        config=Config(),
        data=GlobalState(dry_run=False),
    )


def ask(task: Task) -> Result:
    """Run a command on the host."""
    shell = task.host.get_connection(CONNECTION, task.nornir.config)
    return Result(task.host, result=shell.run("true").out)


def test_all_hosts_share_one_connection(server: SshServer) -> None:
    """Tasks in many threads open one connection to the node, and it is closed with the last host's."""
    wanted = {"pve", *(guest.name for guest in GUESTS)}
    with nornir() as whole:
        results = whole.filter(filter_func=lambda host: host.name in wanted).run(task=ask)
        assert {name: result[0].result for name, result in results.items()} == dict.fromkeys(wanted, "out")
        assert len(server.transports) == 1
        assert len(shared._shared) == 1
    assert shared._shared == {}
    server.transports[0].join(10)
    assert not server.transports[0].is_active()


def test_each_inventory_has_its_own(server: SshServer) -> None:
    """Two loaded inventories share no connection, and a closed one is opened again when it is asked for."""
    first, second = nornir(), nornir()
    for one in (first, second, first):
        assert not one.filter(name="pve").run(task=ask).failed
    assert len(server.transports) == 2
    first.close_connections()
    assert not first.filter(name="pve").run(task=ask).failed
    assert len(server.transports) == 3
    first.close_connections()
    second.close_connections()
    assert shared._shared == {}


def test_no_access_file(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an access file the task fails with what to make, and no connection is left behind."""
    monkeypatch.setenv("PHOENIX_ACCESS", str(server.folder / "none.yaml"))
    failed = nornir().filter(name="pve").run(task=ask)["pve"]
    assert isinstance(failed.exception, AccessError)
    assert shared._shared == {}


def test_unreachable(server: SshServer) -> None:
    """A node that does not answer fails the task by name, and no connection is left behind."""
    file = server.folder / "access.yaml"
    file.write_text(file.read_text().replace(f'"port": {server.port}', '"port": 1'))
    failed = nornir().filter(name="pve").run(task=ask)["pve"]
    assert isinstance(failed.exception, ConnectionFailedError)
    assert str(failed.exception).startswith("pve (127.0.0.1:")
    assert shared._shared == {}


def test_another_inventory(server: SshServer) -> None:  # noqa: ARG001  # registers the plugin
    """A host of another inventory plugin is refused with the line to write into config.yaml."""
    hosts = Hosts({"web": Host("web", hostname="192.0.2.1")})
    failed = nornir(Inventory(hosts)).run(task=ask)["web"]
    assert "192.0.2.1: phoenix_host connects hosts of the inventory plugin phoenix_inventory only" in str(
        failed.exception
    )
