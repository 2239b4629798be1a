"""A dry run lists exactly the changes that the run then makes, restarts included; a second run makes none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.estate import Estate, Guest, Mount, Template
from phoenix.estate.target import select
from phoenix.run.context import Consent
from phoenix.run.record import RunRecord
from phoenix.tasks.firewall import apply
from tests.support.estates import estate, guest
from tests.support.model_node import ModelNode, building, model_server

pytestmark = pytest.mark.timeout(300)
IMAGE = "local:vztmpl/x"
MOUNTS = (Mount(source="data", target="/data"), Mount(source="logs", target="/logs"))
OF_BASE = {"groups": ("template",), "kind": "lxc", "hypervisor": "pve", "storage": "pool", "ostemplate": IMAGE}
BASE = Template(name="base", vmid=900, **OF_BASE)
APP = guest("app", 20, "lxc", clone_of="base", ostemplate=None, mounts=MOUNTS, tags=("prod",))
BOX = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None, user="admin", disk=1)
CORE = estate(APP, BOX)
WANTED = Estate(settings=CORE.settings, hypervisors=CORE.hypervisors, guests=CORE.guests, templates=(BASE,))
Drift = Callable[[ModelNode], object]
NIC = "name=eth0,bridge=vmbr0,type=veth"
LXC, VM = "nodes/node/lxc/120", "nodes/node/qemu/121"


def put(path: str, **values: object) -> Drift:
    """Change options of a guest by the API."""
    method = "post" if "/qemu/" in path else "put"
    return lambda node: node.client.run(method, f"{path}/config", 60, **values)


def config(vmid: int, **values: str | None) -> Drift:
    """Change the configuration of a container as root does; None removes an option."""

    def change(node: ModelNode) -> None:
        target = next(ct for ct in node.server.pve.cts if ct.vmid == vmid).config
        for key, value in values.items():
            target.pop(key, None)
            if value is not None:
                target[key] = value

    return change


def stop(path: str) -> Drift:
    """Stop a guest."""
    return lambda node: node.client.run("post", f"{path}/status/stop", 60)


def destroy(node: ModelNode) -> None:
    """Destroy the guest that is a clone."""
    stop(LXC)(node)
    node.client.run("delete", LXC, 60)


def half(node: ModelNode) -> None:
    """Leave the clone as a creation that was killed after its first request left it."""
    description = next(ct for ct in node.server.pve.cts if ct.vmid == APP.vmid).config["description"]
    destroy(node)
    node.client.run("post", "nodes/node/lxc/900/clone", 60, newid=120, full=1, storage="pool", hostname="app")
    unfinished = str(description).replace(" -->", " unfinished -->")
    node.client.run("put", f"{LXC}/config", 60, description=unfinished)


def no_firewall(node: ModelNode) -> None:
    """Stop a guest, and empty its firewall."""
    stop(LXC)(node)
    for rule in reversed(node.client.get(f"{LXC}/firewall/rules")):
        node.client.delete(f"{LXC}/firewall/rules/{rule['pos']}")
    node.client.put(f"{LXC}/firewall/options", enable=0)


DRIFTS: dict[str, Drift] = {
    "a stopped container": stop(LXC),
    "a stopped machine": stop(VM),
    "memory and cores of a container": put(LXC, memory=99, cores=7),
    "memory of a machine": put(VM, memory=99),
    "the resolver of a container": put(LXC, nameserver="1.1.1.1"),
    "the resolver of a machine": put(VM, nameserver="1.1.1.1"),
    "the host name": put(LXC, hostname="other"),
    "the address of a container": config(120, net0=f"{NIC},firewall=1,ip=10.0.0.99/24,gw=10.0.0.1"),
    "flags of an interface": config(120, net0=f"{NIC},link_down=1,tag=20,ip=10.0.0.20/24"),
    "the address of a machine": put(VM, ipconfig0="ip=10.0.0.98/24,gw=10.0.0.1"),
    "tags": put(LXC, tags="theirs"),
    "a description": put(LXC, description="mine"),
    "start order": put(LXC, startup="order=3"),
    "a missing mount": config(120, mp1=None),
    "another mount": config(120, mp0="/lxc/120/other,mp=/data"),
    "a mount too many": config(120, mp7="/lxc/120/old,mp=/old"),
    "a volume in the place of a mount": config(120, mp0="pool:vm-120-disk-4,mp=/media,size=1G"),
    "rules": lambda node: node.client.delete(f"{LXC}/firewall/rules/0"),
    "a stopped guest without its firewall": no_firewall,
    "an absent guest": destroy,
    "an interrupted creation": half,
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelNode]:
    """The estate, deployed."""
    server = model_server(tmp_path_factory.mktemp("node"))
    made, patch = ModelNode(server), pytest.MonkeyPatch()
    patch.setattr(apply, "try_present", lambda *_: [])  # these guests send no packets
    assert made.take(WANTED, building).errors() == {}
    server.pve.vms[0].config["scsi0"] += ",size=1G"  # fakepve does not know the size of an imported disk
    yield made
    patch.undo()
    made.client.close()
    server.stop()


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
def test_prediction(node: ModelNode, drift: Drift) -> None:
    """From each drift, the plan is what the run makes, and one run is enough."""
    drift(node)
    planned = node.take(WANTED, building, dry_run=True)
    made = node.take(WANTED, building)
    assert made.errors() == {}
    assert changes(planned) == changes(made)
    assert changes(made) != []
    assert changes(node.take(WANTED, building)) == []


def test_guests_of_an_earlier_version(node: ModelNode) -> None:
    """Guests that have the mark alone are refused, and adopted all at once as planned."""
    for one in (*node.server.pve.cts, *node.server.pve.vms):
        one.config |= {"tags": "phoenix;prod" if one.vmid == APP.vmid else "phoenix"}
        one.config.pop("description", None)
    assert len(node.take(WANTED, building).errors()) == len(WANTED.guests) + 1
    consent = Consent(adopted=select(WANTED, ["lxc,vm,template"]))
    planned = node.take(WANTED, building, consent=consent, dry_run=True)
    made = node.take(WANTED, building, consent=consent)
    assert (made.errors(), changes(planned)) == ({}, changes(made))
    assert sum(change.startswith("adopt") for change in changes(made)) == len(WANTED.guests) + 1
    assert changes(node.take(WANTED, building)) == []


def test_what_a_clone_takes_over(node: ModelNode) -> None:
    """A clone starts without its template's further interfaces and start order, and keeps its volumes."""
    destroy(node)
    base = next(ct for ct in node.server.pve.cts if ct.vmid == BASE.vmid).config
    base |= {"net1": "name=eth1,bridge=vmbr0", "startup": "order=9", "mp0": "pool:vm-900-disk-1,mp=/media,size=1G"}
    assert node.take(WANTED, building).errors() == {}
    for key in ("net1", "startup", "mp0"):
        base.pop(key)
    clone = node.snapshot()["120"]["config"]
    assert {"net1", "startup"} & clone.keys() == set()
    assert "mp=/media" in clone["mp0"]
    assert changes(node.take(WANTED, building)) == []
    destroy(node)
    assert node.take(WANTED, building).errors() == {}


def test_renamed(node: ModelNode) -> None:
    """A guest that has another name in the inventory under the same vmid is renamed, as planned."""
    renamed = WANTED.model_copy(update={"guests": tuple(_renamed(one) for one in WANTED.guests)})
    wanted = Estate(**{key: getattr(renamed, key) for key in Estate.model_fields})
    planned = node.take(wanted, building, dry_run=True)
    made = node.take(wanted, building)
    assert (made.errors(), changes(planned)) == ({}, changes(made))
    assert node.snapshot()["120"]["config"]["hostname"] == "wiki"
    assert node.take(WANTED, building).errors() == {}


def _renamed(one: Guest) -> Guest:
    return one.model_copy(update={"name": "wiki"}) if one.name == "app" else one


def test_without_restarts(node: ModelNode) -> None:
    """Without consent nothing restarts: the setting waits, each run says so, and a run with consent applies it."""
    put(LXC, nameserver="1.1.1.1")(node)
    node.client.run("post", f"{LXC}/status/reboot", 60)
    for _ in range(2):
        kept = node.take(WANTED, building, consent=Consent(may_restart=False))
        assert "restart" not in [change.verb for task in kept.hosts["app"] for change in task.changes]
        notes = [note for task in kept.hosts["app"] for note in task.notes]
        assert [note for note in notes if "nameserver wait for a restart" in note]
    assert "restart guest 120 app: nameserver: in effect after a restart" in changes(node.take(WANTED, building))
    assert changes(node.take(WANTED, building)) == []


def changes(record: RunRecord) -> list[str]:
    """Every change of a run, sorted."""
    return sorted(str(change) for tasks in record.hosts.values() for task in tasks for change in task.changes)
