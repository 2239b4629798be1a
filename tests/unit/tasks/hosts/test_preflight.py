"""Preflight reports all problems at once, one a line; a run that creates no guests checks its access only."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from phoenix.connections.proxmox import ApiError
from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.connections.waits import Waits
from phoenix.converge import Outcome, Probe
from phoenix.derive.authority import published_files
from phoenix.derive.ownership import owner_tag
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.pve.privileges import needed_privileges
from phoenix.run import Run
from phoenix.tasks.hosts import node_questions as questions
from phoenix.tasks.hosts.preflight import check_access, check_deployment
from phoenix.tasks.support.guests import learn_guests, undeclared_guests
from tests.support.estates import estate, guest
from tests.support.runs import planning_run

APP = guest("app", 20)
EGRESS = {"protocol": "tcp", "ports": (80, 443), "purpose": "packages"}
SMALL = estate(APP, egress=(EGRESS,))
VERSION = "8.4.21"
GUESTS = [{"vmid": g.vmid, "name": g.name, "status": "running", "tags": owner_tag(SMALL, g.vmid)} for g in SMALL.guests]
STORAGES = [
    {"storage": "pool", "content": "rootdir,images", "active": 1, "avail": 2**40},
    {"storage": "local", "content": "vztmpl", "active": 1, "avail": 2**40},
]
GOOD_API = {
    "version": {"version": VERSION},
    "access/permissions": {},
    "nodes": [{"node": "node", "status": "online"}],
    "nodes/node/lxc": GUESTS,
    "nodes/node/qemu": [],
    "nodes/node/storage": STORAGES,
    "nodes/node/storage/local/content": [{"volid": "local:vztmpl/x"}],
    "cluster/resources": [],
}
GOOD_NODE = {
    questions.FREE_SPACE: "9000000",
    questions.NODE_NAME: "node",
    questions.ADDRESSES: "3: vmbr0    inet 10.0.0.2/24 brd x",
    questions.BRIDGES: "3: vmbr0: <BROADCAST,UP> mtu 1500",
}


def granted(made: Estate) -> dict[str, dict[str, int]]:
    """All privileges that the token needs."""
    rights: dict[str, dict[str, int]] = {}
    for path, privilege in needed_privileges(made, made.hypervisors[0], VERSION):
        rights.setdefault(path, {})[privilege] = 1
    return rights


class Node:
    """A node with an API and a shell; both note what they are asked."""

    def __init__(self, made: Estate, api: Mapping[str, Any], outputs: Mapping[str, str], neighbors: str = "") -> None:
        self.name, self.where = "pve", "pve (https://10.0.0.2:8006)"
        self.answers = {**GOOD_API, "access/permissions": granted(made), **api}
        self.outputs = {**GOOD_NODE, **outputs}
        self.shell = self
        self.asked: list[str] = []
        self.probes: set[str] = set()
        self.scripts: list[str] = []
        self.reply: Completed | Exception = Completed(0, neighbors, "")
        links: Any = SimpleNamespace(api=lambda _name: self, shell=lambda _name: self, waits=Waits())
        self.run_of_estate: Run = planning_run(made, links=links)
        self.run_of_estate._sessions["pve"] = cast("Any", self)

    def get(self, path: str, **_parameters: str) -> Any:
        """Answer, or fail."""
        self.asked.append(path)
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def observe(self, resources: Any) -> Any:
        """Answer questions of the one observation."""
        probes: list[Probe] = [probe for resource in resources for probe in resource.probes()]
        self.probes = {probe.subject for probe in probes}
        return SimpleNamespace(outputs=self.outputs, text=lambda _path: None)

    def run(self, script: str, _limit: float) -> Completed:
        """Answer the search for addresses in use, or a guest's own questions."""
        self.scripts.append(script)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    def check(self, *, deployment: bool = True) -> list[str]:
        """Check the node, and return the problems."""
        task: Any = SimpleNamespace(host=SimpleNamespace(name="pve"))
        check = check_deployment if deployment else check_access
        try:
            self.outcome: Outcome = check(task, self.run_of_estate)
        except TaskFailedError as error:
            return str(error).splitlines()
        return []


def node(api: Mapping[str, Any] | None = None, outputs: Mapping[str, str] | None = None, **more: Any) -> Node:
    """A node on which all is well, except what is given."""
    return Node(more.pop("made", SMALL), api or {}, outputs or {}, **more)


WITHOUT_APP = {"nodes/node/lxc": [entry for entry in GUESTS if entry["name"] != "app"]}
FOREIGN = "guest node/lxc/917.conf\nhostname: old\nnet0: name=eth0,ip=10.0.0.20/24\n"
DNSMASQ = 'listener udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("dnsmasq",pid=9,fd=4))\nunit 9 dnsmasq.service\n'


def test_unchanged_run_asks_little() -> None:
    """Where all guests exist, the API is asked five times and the node once; nothing is wrong."""
    seen = node()
    assert seen.check() == []
    assert sorted(seen.asked) == ["access/permissions", "nodes", "nodes/node/lxc", "nodes/node/qemu", "version"]
    assert seen.scripts == []


def test_names_in_the_record() -> None:
    """The check has one name in the record of a run, whatever it covers."""
    assert check_deployment.__name__ == check_access.__name__ == "check_access"


@pytest.mark.parametrize(
    ("api", "outputs", "says"),
    [
        ({"version": {"version": "8.3.1"}}, {}, ["Proxmox VE 8.3.1 is older than 8.4"]),
        ({"nodes": [{"node": "other"}]}, {}, ["there is no node 'node' (there is other); correct `node`"]),
        ({"nodes": [{"node": "node", "status": "offline"}]}, {}, ["the node node is offline"]),
        ({"version": ApiError("no answer")}, {}, ["no answer"]),
        ({"nodes/node/lxc": ApiError("no list")}, {}, ["no list"]),
        (
            {"nodes/node/lxc": [{**GUESTS[0], "status": "unknown"}, *GUESTS[1:]]},
            {},
            ["guest 110 ca has the status 'unknown'"],
        ),
        ({}, {questions.MISSING_COMMANDS: "pct\nss"}, ["commands are missing on the node: pct, ss"]),
        ({}, {questions.FREE_SPACE: "100"}, ["less than 200 MB"]),
        ({}, {questions.NODE_NAME: "other"}, ["leads to the node 'other'"]),
        ({}, {questions.BRIDGES: ""}, ["no bridge 'vmbr0', it has none"]),
        ({}, {questions.LISTENERS: DNSMASQ}, ["dnsmasq (pid 9, dnsmasq.service) listens on 0.0.0.0:53"]),
        ({}, {questions.GUEST_CONFIGS: FOREIGN}, ["pve: 10.0.0.20 (app) is the address of guest 917 old on node"]),
        ({**WITHOUT_APP, "nodes/node/storage": STORAGES[1:]}, {}, ["no storage 'pool'"]),
        ({**WITHOUT_APP, "nodes/node/storage/local/content": []}, {}, ["local:vztmpl/x is not there, and app"]),
        ({**WITHOUT_APP, "nodes/node/storage": ApiError("no storages")}, {}, ["no storages"]),
        (
            {
                **WITHOUT_APP,
                "nodes": [{"node": "node"}, {"node": "far"}],
                "cluster/resources": [{"vmid": 120, "node": "far", "tags": owner_tag(SMALL, 120)}],
            },
            {},
            ["guest 120 app is on the node far"],
        ),
        (
            {"version": {"version": "7.4"}},
            {questions.BRIDGES: "", questions.LISTENERS: DNSMASQ, questions.GUEST_CONFIGS: FOREIGN},
            ["Proxmox VE 7.4", "no bridge", "dnsmasq", "10.0.0.20 (app)"],
        ),
    ],
)
def test_problems(api: Mapping[str, Any], outputs: Mapping[str, str], says: list[str]) -> None:
    """Each problem is a line; several are reported at once."""
    problems = node(api, outputs).check()
    assert len(problems) == len(says), problems
    assert [words for words, problem in zip(says, problems, strict=True) if words not in problem] == []


def test_incomplete_list_of_guests() -> None:
    """Without the privilege to list guests nothing is said about those that seem to be missing."""
    rights = {path: {p: 1 for p in given if p != "VM.Audit"} for path, given in granted(SMALL).items()}
    seen = node({"access/permissions": rights, "nodes/node/lxc": []})
    assert seen.check() == ["pve (https://10.0.0.2:8006): the token lacks VM.Audit on /vms"]
    assert seen.scripts == []


def test_access_alone() -> None:
    """A run that creates no guests is not stopped by what concerns only their creation."""
    outputs = {questions.BRIDGES: "", questions.LISTENERS: DNSMASQ, questions.GUEST_CONFIGS: FOREIGN}
    seen = node({**WITHOUT_APP, "nodes/node/storage": []}, outputs)
    assert seen.check(deployment=False) == []
    assert not {questions.LISTENERS, questions.GUEST_CONFIGS} & seen.probes
    assert published_files(SMALL)[0] in seen.probes


def test_locked_guest() -> None:
    """A locked guest is a note: its changes wait."""
    seen = node({"nodes/node/lxc": [{**GUESTS[0], "lock": "backup"}, *GUESTS[1:]]})
    assert seen.check() == []
    assert "guest 110 ca is locked (backup): its changes wait" in seen.outcome.notes[0]


@pytest.mark.parametrize(
    ("outputs", "says"),
    [({}, "10.0.0.20 (app) is in use: the MAC address AA:BB"), ({questions.GUEST_CONFIGS: FOREIGN}, "guest 917 old")],
)
def test_addresses_in_use(outputs: dict[str, str], says: str) -> None:
    """The address of a guest to be created is asked for, unless its holder is known; it is reported once."""
    seen = node(WITHOUT_APP, outputs, neighbors="10.0.0.20 dev vmbr0 lladdr aa:bb:cc:dd:ee:ff REACHABLE\n")
    (problem,) = seen.check()
    assert says in problem
    assert len(seen.scripts) == (0 if outputs else 1)


OWN = """guest node/lxc/120.conf
hostname: app
rootfs: pool:vm-120-disk-0,size=16G
unprivileged: 1
net0: name=eth0,bridge=vmbr0,firewall=1,ip={}/24,gw=10.0.0.1
"""


@pytest.mark.parametrize(("address", "problems"), [("10.0.0.20", 0), ("10.0.0.77", 1)])
def test_address_of_a_guest_that_moves(address: str, problems: int) -> None:
    """The address that a guest gets is asked for as that of a new guest; its present one is not."""
    neighbor = "10.0.0.20 dev vmbr0 lladdr aa:bb:cc:dd:ee:ff REACHABLE\n"
    seen = node({}, {questions.GUEST_CONFIGS: OWN.format(address)}, neighbors=neighbor)
    assert len(seen.check()) == problems


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("unprivileged: 1", "unprivileged: 0", "guest 120 app: `unprivileged` cannot be changed in place"),
        ("net0:", "net1: name=eth1,bridge=vmbr7\nnet0:", "net1 at vmbr7 is not declared"),
        ("unprivileged: 1", "unprivileged: 1\ntemplate: 1", "it is a template, in the inventory a guest"),
        ("rootfs:", "mp0:", "its first disk is not rootfs"),
    ],
)
def test_what_cannot_be_corrected(before: str, after: str, says: str) -> None:
    """What a deployment could not correct in a guest is told before any change."""
    text = OWN.format("10.0.0.20").replace(before, after)
    (problem,) = node({}, {questions.GUEST_CONFIGS: text}).check()
    assert says in problem


@pytest.mark.parametrize(
    ("tags", "kind", "says"),
    [
        ("", "lxc", "vmid 120 is not of this estate"),
        (owner_tag(SMALL, 120), "qemu", "vmid 120 (app) is a vm, in the inventory a lxc"),
    ],
)
def test_settings_of_a_guest_of_others(tags: str, kind: str, says: str) -> None:
    """Only the owner or the kind of a guest that is not the inventory's is a problem, not its settings."""
    listed = {"vmid": 120, "name": "app", "status": "running", "tags": tags}
    lists = {"nodes/node/lxc": [], "nodes/node/qemu": [], f"nodes/node/{kind}": [listed]}
    text = OWN.format("10.0.0.20").replace("unprivileged: 1", "unprivileged: 0")
    pending: dict[str, Any] = {"nodes/node/lxc/120/pending": []}
    text = text if kind == "lxc" else text.replace("/lxc/", "/qemu-server/")
    (problem,) = node({**lists, **pending}, {questions.GUEST_CONFIGS: text}).check()
    assert says in problem


def test_note_without_a_tag() -> None:
    """A guest that is no longer declared is known by its note, if its creation was interrupted before it got a tag."""
    listed = [
        *GUESTS,
        {"vmid": 300, "name": "left", "status": "stopped"},
        {"vmid": 301, "name": "b", "tags": "phoenix"},
    ]
    note = "guest node/lxc/{0}.conf\n#<!-- phoenix owner={1} unfinished -->\nhostname: left\n"
    text = note.format(300, owner_tag(SMALL, 300)) + note.format(301, owner_tag(SMALL, 999))
    seen = node({"nodes/node/lxc": listed}, {questions.GUEST_CONFIGS: text})
    assert seen.check() == []
    assert [guest.vmid for guest in undeclared_guests(seen.run_of_estate, SMALL.hypervisors[0])] == [300]


def test_guests_of_another_cluster() -> None:
    """A guest with the vmid of a machine on another cluster does not take its place."""
    here, there = (SMALL.hypervisors[0].model_copy(update={"name": name, "cluster": name}) for name in ("pve", "other"))
    app = SMALL.guest("app").model_copy(update={"hypervisor": "other"})
    run = planning_run(Estate(settings=SMALL.settings, hypervisors=(here, there), guests=(app,)))
    listed = {"nodes/node/lxc": [{"vmid": app.vmid, "name": "theirs", "status": "running"}], "nodes/node/qemu": []}
    run.links = cast("Any", SimpleNamespace(api=lambda _name: SimpleNamespace(get=listed.__getitem__)))
    learn_guests(run, here)
    assert app.vmid not in run.guests


def test_removed_guest_holds_no_address() -> None:
    """A guest that this run removes does not block the one that follows it, although it still answers."""
    neighbor = "10.0.0.20 dev vmbr0 lladdr aa:bb:cc:dd:ee:ff REACHABLE\n"
    seen = node(WITHOUT_APP, {questions.GUEST_CONFIGS: FOREIGN}, neighbors=neighbor)
    seen.run_of_estate.consent = type(seen.run_of_estate.consent)(pruned=frozenset({917}))
    assert seen.check() == []


@pytest.mark.parametrize(
    ("addresses", "neighbors", "notes"),
    [
        ("10.0.0.2/24", "", 1),
        ("10.0.0.2/24", "10.0.0.1 dev vmbr0 lladdr aa:bb:cc:dd:ee:ff REACHABLE\n", 0),
        ("10.0.0.2/24\n3: vmbr0    inet 10.0.0.1/24", "", 0),
        ("10.0.0.2/32", "", 0),
    ],
)
def test_gateway(addresses: str, neighbors: str, notes: int) -> None:
    """A gateway that does not answer is a note, if it is in a network of the node and not the node itself."""
    seen = node(WITHOUT_APP, {questions.ADDRESSES: f"3: vmbr0    inet {addresses}"}, neighbors=neighbors)
    assert seen.check() == []
    assert len(seen.outcome.notes) == notes
    assert all("no machine answers for the gateway 10.0.0.1" in note for note in seen.outcome.notes)


NO_EGRESS = estate(APP, egress=())


def test_new_guests_need_egress() -> None:
    """Guests to be created need egress to the default mirror; the problem names them and what to add."""
    (problem,) = node({"nodes/node/lxc": []}, made=NO_EGRESS).check()
    assert "ca, edge, mesh, app: each needs egress tcp/80 to its package mirror" in problem


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("site http://deb.debian.org/debian\n", None),
        (
            "missing nginx\nsite https://deb.debian.org/debian\n",
            "tcp/443 to its package mirror deb.debian.org to install nginx",
        ),
        ("missing nginx\nsite http://a.example/\nproxy http http://10.0.0.5:3142/\n", None),
        (ConnectionFailedError("closed"), None),
    ],
)
def test_existing_guests_are_asked(answer: str | Exception, says: str | None) -> None:
    """Guests that have all packages need no egress; the others need that to the mirrors of their own sources."""
    seen = node(made=NO_EGRESS)

    seen.reply = answer if isinstance(answer, Exception) else Completed(0, answer, "")
    problems = seen.check()
    assert len(problems) == (1 if says else 0)
    assert not says or says in problems[0]
