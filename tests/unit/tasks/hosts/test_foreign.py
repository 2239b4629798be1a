"""Whatever Phoenix does beside the things of others, those stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.derive.ownership import owner_tag
from phoenix.estate import Estate, Guest, Mount
from phoenix.run import Stage, Step, guests
from phoenix.run.context import Consent
from phoenix.run.record import RunRecord
from phoenix.tasks.firewall import apply
from phoenix.tasks.hosts.removal import destroy_guest
from tests.support.estates import estate, guest
from tests.support.model_node import ModelNode, building, model_server

pytestmark = pytest.mark.timeout(300)
MOUNTS = (Mount(source="data", target="/data"), Mount(source="logs", target="/logs"))
APP = guest("app", 20, "lxc", mounts=MOUNTS, tags=("prod",))
BOX = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None, user="admin")
OTHER = estate(zone="other.test")
FOREIGN_RULE = {"type": "in", "action": "ACCEPT", "enable": "1", "proto": "tcp", "dport": "9100"}
Act = Callable[[ModelNode, Estate], None]


def destruction(estate: Estate) -> tuple[Stage, ...]:
    """Destroy the targeted guests."""
    del estate
    return (Stage("guests", (Step(destroy_guest, guests),)),)


@contextmanager
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelNode]:
    """A node with guests, rules, sets, aliases and groups of others."""
    server = model_server(tmp_path_factory.mktemp("node"))
    node, patch = ModelNode(server), pytest.MonkeyPatch()
    patch.setattr(apply, "try_present", lambda *_: [])  # these guests send no packets
    api = node.client
    strangers = [
        (301, "theirs", "theirs"),
        (302, "marked", "phoenix"),
        (303, "estate2", f"phoenix;{owner_tag(OTHER, 303)}"),
        (304, "clone", f"phoenix;{owner_tag(estate(), 120)}"),
    ]
    for vmid, name, tags in strangers:
        api.run(
            "post", "nodes/node/lxc", vmid=vmid, hostname=name, ostemplate="local:vztmpl/x", rootfs="pool:1", tags=tags
        )
        api.post(f"nodes/node/lxc/{vmid}/firewall/rules", **FOREIGN_RULE, comment="theirs")
    api.post("cluster/firewall/rules", **FOREIGN_RULE, comment="monitoring")
    api.post("cluster/firewall/aliases", name="backup", cidr="10.0.0.222")
    api.post("cluster/firewall/ipset", name="admins")
    api.post("cluster/firewall/ipset/admins", cidr="10.0.0.223")
    api.post("cluster/firewall/groups", group="webby")
    api.post("cluster/firewall/groups/webby", **FOREIGN_RULE)
    try:
        yield node
    finally:
        patch.undo()
        api.close()
        server.stop()


def foreign(found: dict[str, Any]) -> dict[str, Any]:
    """The part of a snapshot that belongs to others, guests of this estate included."""
    cluster, kept = found["cluster"], {vmid: found[vmid] for vmid in found if vmid in {"301", "302", "303", "304"}}
    rules = [rule for rule in cluster["rules"] if not str(rule.get("comment", "")).startswith("phoenix:")]
    own = {
        vmid: [(key, value) for key, value in one["config"].items() if key in {"mp5", "net1"}]
        + [tag for tag in str(one["config"].get("tags")).split(";") if tag == "theirs"]
        + [line for line in str(one["config"].get("description")).splitlines() if line == "mine"]
        for vmid, one in found.items()
        if vmid in {"120", "121"}
    }
    names = {
        "aliases": cluster["aliases"].get("backup"),
        "set": cluster["sets"].get("admins"),
        "groups": cluster["groups"],
    }
    return {"guests": kept, "rules": rules, "names": names, "own": own}


def deploy(node: ModelNode, wanted: Estate) -> None:
    """Deploy everything."""
    node.take(wanted, building)


def target(node: ModelNode, wanted: Estate) -> None:
    """Deploy one guest."""
    node.take(wanted, building, targets=frozenset({"edge"}))


def prune(node: ModelNode, wanted: Estate) -> None:
    """Remove what may be removed, and what must not be is asked for too."""
    node.take(wanted, building, consent=Consent(pruned=frozenset({120, 121, 301, 302, 303, 304})))


def destroy(node: ModelNode, wanted: Estate) -> None:
    """Destroy a guest of the inventory."""
    node.take(wanted, destruction, targets=frozenset({"app", "mesh"}))


def edit(node: ModelNode, wanted: Estate) -> None:
    """Somebody adds a volume, a filtered interface, a tag and a note to a guest of this estate."""
    del wanted
    for ct in node.server.pve.cts:
        if ct.vmid == APP.vmid:
            ct.config |= {"mp5": "pool:vm-120-disk-9,mp=/media,size=1G", "net1": "name=eth1,bridge=vmbr1,firewall=1"}
            ct.config["tags"] = ";".join(sorted({*str(ct.config.get("tags", "")).split(";"), "theirs"} - {""}))
            ct.config["description"] = f"mine\n{str(ct.config.get('description', '')).removeprefix('mine' + chr(10))}"


ACTS: list[Act] = [deploy, target, prune, destroy, edit]
APPS: list[tuple[Guest, ...]] = [
    (),
    (APP,),
    (APP, BOX),
    (APP.model_copy(update={"mounts": MOUNTS[1:], "tags": (), "memory": 512}),),
    (BOX, APP.model_copy(update={"vmid": 301})),
    (APP.model_copy(update={"vmid": 304}),),
]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(APPS)), min_size=2, max_size=6))
def test_nothing_foreign_changes(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[Act, tuple[Guest, ...]]]
) -> None:
    """After any sequence of deploy, change, target, destroy and prune, everything of others is as it was."""
    with model(tmp_path_factory) as node:
        for act, apps in acts:
            before = foreign(node.snapshot())
            act(node, estate(*apps))
            after = foreign(node.snapshot())
            if act is not edit:
                kept = {vmid: before["own"][vmid] for vmid in before["own"] if before["own"][vmid]}
                assert {vmid: after["own"].get(vmid) for vmid in kept} == kept
                assert {**after, "own": {}} == {**before, "own": {}}


@pytest.mark.parametrize("vmid", [301, 302, 303, 304])
def test_recycled_id(tmp_path_factory: pytest.TempPathFactory, vmid: int) -> None:
    """A guest of another owner is neither changed nor destroyed; adopted, it is brought to what is declared."""
    app = APP.model_copy(update={"vmid": vmid, "mounts": ()})
    with model(tmp_path_factory) as node:
        before = node.snapshot()[str(vmid)]
        for chain in (building, destruction):
            record = node.take(estate(app), chain, targets=frozenset({"app"}))
            assert "is not of this estate" in str(record.errors().get("app"))
            assert node.snapshot()[str(vmid)] == before
        consent, only = Consent(frozenset({"app"})), frozenset({"app"})
        planned = node.take(estate(app), building, targets=only, consent=consent, dry_run=True)
        assert next(change.verb for task in planned.hosts["app"] for change in task.changes) == "adopt"
        assert node.snapshot()[str(vmid)] == before
        made = node.take(estate(app), building, targets=only, consent=consent)
        assert made.errors() == {}
        assert changes(made) == changes(planned)
        after = node.snapshot()[str(vmid)]
        assert owner_tag(estate(), vmid) in after["config"]["tags"]
        assert (after["config"]["hostname"], after["status"]) == ("app", "running")
        again = node.take(estate(app), building, targets=only)
        assert (again.changed, again.failed) == (0, [])


def changes(record: RunRecord) -> list[str]:
    """Every change of a run, sorted."""
    return sorted(str(change) for tasks in record.hosts.values() for task in tasks for change in task.changes)
