"""Loading a valid inventory: defaults of groups, YAML merges, the only hypervisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix.estate import Estate, Guest, Hypervisor, InventoryError, Template, load_estate
from tests.support.estates import DEFAULTS, GROUPS, HOSTS
from tests.support.inventories import EXAMPLE

GUESTS = {
    # name: (vmid, address, kind, memory, cores, disk, order, delay, depends on)
    "step-ca": (103, "10.0.0.10", "lxc", 1024, 2, 16, 1, 5, ()),
    "nginx-gateway": (101, "10.0.0.153", "lxc", 4096, 4, 32, 2, 5, ("step-ca",)),
    "traefik": (102, "10.0.0.12", "lxc", 2048, 2, 16, 3, 5, ("step-ca",)),
    "portainer": (1001, "10.0.0.111", "vm", 8192, 4, 32, 4, 2, ("traefik", "nginx-gateway", "step-ca")),
    "drphoenix": (1002, "10.0.0.102", "vm", 4096, 4, 64, 5, 2, ("portainer",)),
    "granite-embedding": (801, "10.0.0.141", "lxc", 72000, 6, 128, 6, 5, ("step-ca",)),
    "granite-3b": (802, "10.0.0.142", "lxc", 72000, 6, 128, 6, 5, ("step-ca",)),
    "ollama": (914, "10.0.0.155", "lxc", 32768, 6, 128, 6, 5, ("step-ca",)),
    "llamacpp": (917, "10.0.0.157", "lxc", 32768, 6, 128, 6, 5, ("step-ca",)),
}


@pytest.fixture(scope="module")
def example() -> Estate:
    """The repository's inventory."""
    return load_estate(EXAMPLE)


Write = Callable[..., Estate]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Load a small inventory with replaced words."""

    def load(*edits: tuple[str, str]) -> Estate:
        for name, text in {"hosts": HOSTS, "groups": GROUPS, "defaults": DEFAULTS}.items():
            for old, new in edits:
                text = text.replace(old, new)  # noqa: PLW2901  # edits are applied one after the other
            (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
        return load_estate(tmp_path)

    return load


def test_guests_of_the_example(example: Estate) -> None:
    """The example has exactly the guests of the real estate, with their sizes, order and dependencies."""
    assert {guest.name: row(guest) for guest in example.guests} == GUESTS


def row(guest: Guest) -> tuple[object, ...]:
    """Convert a guest to a row of the table."""
    assert guest.startup is not None
    size = (guest.memory, guest.cores, guest.disk)
    return guest.vmid, str(guest.address), guest.kind, *size, guest.startup.order, guest.startup.delay, guest.depends_on


def test_templates_of_the_example(example: Estate) -> None:
    """Templates have no address, and a cloud image is not a clone although its group sets a clone."""
    assert {(t.name, t.vmid, t.clone_of) for t in example.templates} == {
        ("copy-base", 900, None),
        ("copy-cuda", 901, "copy-base"),
        ("copy-vllm-gpux2", 910, "copy-cuda"),
        ("copy-vllm-gpu0", 911, "copy-cuda"),
        ("copy-vllm-gpu1", 912, "copy-cuda"),
        ("ubuntu-2404-cloud-template", 9000, None),
    }
    assert "address" not in Template.model_fields


def test_safe_defaults(example: Estate) -> None:
    """Containers are unprivileged by default, and the only hypervisor is the default for every guest."""
    assert all(guest.unprivileged for guest in example.guests)
    assert {guest.hypervisor for guest in (*example.guests, *example.templates)} == {"pve"}
    assert isinstance(example.host("pve"), Hypervisor)


def test_host_wins_over_group(write: Write) -> None:
    """A host's value overrides that of its groups, an earlier group overrides a later one, and null removes it."""
    estate = write(
        ("lxc: {data: {storage: pool}}", "lxc: {data: {storage: pool, cores: 3, memory: 100, tags: [a]}}"),
        ("trusted_ca: {}", "trusted_ca: {data: {cores: 5, memory: 200, disk: 7}}"),
        ("data: {vmid: 101, ", "data: {vmid: 101, memory: 300, tags: null, "),
    )
    edge = estate.host("edge")
    assert isinstance(edge, Guest)
    assert (edge.cores, edge.memory, edge.disk, edge.tags) == (3, 300, 7, ())


def test_anchors_and_merges(write: Write) -> None:
    """Anchors, aliases and merge keys follow YAML: a key of the mapping itself takes precedence."""
    estate = write(
        ("data: {vmid: 101, ", "data: {<<: [{memory: 64, cores: 9}, {cores: 8, disk: &n 5}], cores: 4, vmid: 101, "),
        ("data:\n    vmid: 102\n", "data:\n    vmid: 102\n    disk: *n\n"),
    )
    edge, mesh = estate.host("edge"), estate.host("mesh")
    assert isinstance(edge, Guest)
    assert isinstance(mesh, Guest)
    assert (edge.memory, edge.cores, edge.disk, mesh.disk) == (64, 4, 5, 5)


def test_text_beyond_ascii(write: Write) -> None:
    """Text for people can contain characters of any script."""
    estate = write(("name: Lab CA", "name: Zertifizierungsstelle für Ångström 認証局"))
    assert estate.settings.ca.name == "Zertifizierungsstelle für Ångström 認証局"


def test_empty_data_is_none(write: Write) -> None:
    """A `data:` without a value is the same as no data."""
    assert write(("hypervisor: {}", "hypervisor: {data: }"), ("step_cli: {}", "step_cli:\n  data:\n")).guests


def test_an_edit_is_seen(write: Write) -> None:
    """A second load in the same process sees an edit that was made in between, at any interval."""
    assert write().zone == "lab.test"
    assert write(("zone: lab.test", "zone: new.test")).zone == "new.test"
    assert write().zone == "lab.test"


def test_two_hypervisors(write: Write) -> None:
    """With two hypervisors, every guest names its own, in its entry or in that of its group."""
    second = HOSTS.partition("ca:\n")[0].replace("pve:", "pve2:").replace("10.0.0.2", "10.0.0.4")
    second = second.replace("10.0.0.3", "10.0.0.5").replace("node: node", "node: other")
    estate = write(
        ("pve:\n", second + "pve:\n"),
        ("storage: pool", "storage: pool, hypervisor: pve"),
        ("vmid: 110", "vmid: 110\n    hypervisor: pve2"),
    )
    assert {guest.name: guest.hypervisor for guest in estate.guests} == {
        "ca": "pve",
        "edge": "pve",
        "mesh": "pve",
        "app": "pve2",
    }


@pytest.mark.parametrize(
    "edits",
    [
        (("hostname: 10.0.0.2\n", "hostname: 10.0.0.1\n"),),
        (("hostname: 10.0.0.2\n", "hostname: 192.168.1.10\n"), ("{node: node,", "{node: node, also: [10.0.0.1],")),
        (("hostname: 10.0.0.2\n", "hostname: 192.168.1.10\n"),),
        (("hostname: 10.0.0.2\n", "hostname: 192.168.1.10\n"), ("10.0.0.3", "192.168.1.11")),
        (("node: node,", "node: PVE-01,"),),
        (("upstream_dns: [8.8.8.8]", "upstream_dns: [10.0.0.20, 10.0.0.1]"),),
        (("egress:", "forward: {www.lab.test: upstream, old.test: upstream}\n  egress:"),),
        (("upstream_dns: [8.8.8.8]", "upstream_dns: [10.0.0.1], private_answers: [fritz.box]"),),
        (("upstream_dns: [8.8.8.8]", 'upstream_dns: [10.0.0.1], private_answers: ["*"]'),),
        (("aliases: [dash.old.test]", "aliases: [old.test, lab.test]"),),
        (("{printer: 10.0.0.200}", "{printer: 10.0.0.200, old.test: 10.0.0.201, cam.old.test: 10.0.0.202}"),),
        (("{node: node,", "{node: node, cluster: home, ceph: true,"),),
    ],
    ids=[
        "node is the gateway", "node with two networks", "node elsewhere", "resolver elsewhere", "node in capitals",
        "resolvers of the estate and its router", "forwarded names", "answers of the router", "any private answer",
        "names of zones themselves", "records of zones", "cluster",
    ],
)  # fmt: skip
def test_other_networks(write: Write, edits: tuple[tuple[str, str], ...]) -> None:
    """Networks and names of other people's estates are valid."""
    assert write(*edits).hypervisors


SECOND = """\
pve2:
  hostname: 10.0.0.4
  groups: [hypervisor]
  data: {node: node2, guest_resolver: 10.0.0.5, guest_storage: /lxc, vm_storage: /vm%s}
"""


@pytest.mark.parametrize(("cluster", "refused"), [("", False), (", cluster: other", True)])
def test_clone_of_another_node(write: Write, cluster: str, *, refused: bool) -> None:
    """A guest may be a clone of a template on another node of its cluster, and of no other node."""
    edits = (
        ("ca:\n", SECOND % cluster + "ca:\n"),
        ("{storage: pool}", "{storage: pool, hypervisor: pve}"),
        ("{vmid: 101,", "{vmid: 101, hypervisor: pve2,"),
    )
    if refused:
        with pytest.raises(InventoryError) as error:
            write(*edits)
        (problem,) = error.value.problems
        assert problem.where == "edge.clone_of"
        assert problem.message == "'base' is on pve, a node of another cluster: name a template of pve2"
    else:
        assert write(*edits).guest("edge").hypervisor == "pve2"
