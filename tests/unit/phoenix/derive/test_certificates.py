"""Leaves of the example estate: their names, their files, and the unit that is reloaded after a change."""

from __future__ import annotations

import pytest

from phoenix.derive.certificates import Leaf, certificates, client_leaf, edge_leaf, leaves_of, server_leaf
from phoenix.derive.flows import flows
from phoenix.derive.names import records
from phoenix.estate import Service
from tests.support.estates import estate, guest
from tests.support.inventories import example

ZONE = "internal.thinkheads.ai"
LEAVES = {
    # (host, certificate, key): names and addresses
    (
        "nginx-gateway",
        "/etc/nginx/ssl/internal_traefik_proxy.crt",
        "/etc/nginx/ssl/internal_traefik_proxy.key",
    ): f"*.{ZONE} {ZONE} portainer.phoenix.local",
    (
        "portainer",
        "/persistent-storage/portainer/certs/cert.pem",
        "/persistent-storage/portainer/certs/key.pem",
    ): f"portainer.{ZONE} portainer.phoenix.local 10.0.0.111 127.0.0.1",
    (
        "portainer",
        "/persistent-storage/portainer/certs/portainer-server-client.crt",
        "/persistent-storage/portainer/certs/portainer-server-client.key",
    ): f"portainer-client.{ZONE}",
    (
        "drphoenix",
        "/persistent-storage/certs/portainer-agent.crt",
        "/persistent-storage/certs/portainer-agent.key",
    ): f"portainer-agent.{ZONE} agent.agent.phoenix.local 10.0.0.102 127.0.0.1",
}


def test_leaves_of_the_example() -> None:
    """The leaves by token are exactly those of the table, with their names and files."""
    leaves = {(leaf.host, leaf.certificate, leaf.key): {*leaf.dns, *leaf.ips} for leaf in certificates(example())}
    assert leaves == {files: set(names.split()) for files, names in LEAVES.items()}


@pytest.mark.parametrize(("alias", "listed"), [("old.lab.test", False), ("a.b.lab.test", True), ("x.old.test", True)])
def test_edge_leaf_lists_what_its_wildcard_does_not_cover(alias: str, *, listed: bool) -> None:
    """An alias directly below the zone does not change the edge's leaf."""
    web = guest("web", 20, services={"web": Service(port=8000, expose=True, aliases=(alias,))})
    assert (alias in edge_leaf(estate(web, alias_zones=("old.test",))).dns) == listed


def test_certs_of_portainer_are_its_mount() -> None:
    """Portainer's leaf is in the directory that the inventory mounts at /certs."""
    container = next(g for g in example().guests if g.name == "portainer").containers["portainer"]
    mounted = dict(volume.split(":")[:2][::-1] for volume in container.volumes)
    leaf = server_leaf(example(), "portainer")
    assert leaf.directory == mounted["/certs"]
    assert {f"--sslcert=/certs/{leaf.certificate[len(leaf.directory) + 1 :]}", "--sslkey=/certs/key.pem"} <= {
        *container.command
    }


def test_keys_are_for_their_owner() -> None:
    """A key is readable only by its owner, or by its owner and group."""
    assert {leaf.key_mode for leaf in certificates(example())} <= {"0600", "0640"}


@pytest.mark.parametrize(
    ("leaf", "reload"),
    [
        (server_leaf(example(), "internal_traefik_proxy"), ("reload", "nginx.service")),
        (server_leaf(example(), "portainer"), ("restart", "phoenix-container-portainer.service")),
        (server_leaf(example(), "portainer-agent"), ("reload", "nginx.service")),
        (client_leaf(example(), "portainer-agent", "portainer"), ("start", "phoenix-register-agents.service")),
    ],
)
def test_reload(leaf: Leaf, reload: tuple[str, str] | None) -> None:
    """The unit that presents a leaf is reloaded, restarted or started after a change."""
    assert leaf.reload == reload


def test_two_agents() -> None:
    """A Portainer with two agents has a client leaf for each, in files of their own."""
    door = Service(port=9001, scheme="https", tls="mutual", clients=("server",))
    small = estate(
        guest("server", 20, "vm", "portainer", kind="vm", persistent_storage="/data"),
        guest("one", 21, services={"agent-one": door}),
        guest("two", 22, services={"agent-two": door}),
    )
    assert {leaf.name: leaf.certificate for leaf in leaves_of(small, "server")} == {
        "agent-one-client": "/data/portainer/certs/portainer-server-client.crt",
        "agent-two-client": "/data/portainer/certs/agent-two-client.crt",
    }


def test_web_certificate_of_a_hypervisor() -> None:
    """A hypervisor has a leaf if the inventory requests it: for a name of the zone, and its web server is updated."""
    small = estate()
    node = small.hypervisors[0]
    assert leaves_of(small, node.name) == ()
    requested = small.model_copy(update={"hypervisors": (node.model_copy(update={"web_certificate": True}),)})
    (leaf,) = leaves_of(requested, node.name)
    assert (leaf.dns, leaf.ips) == (("node.lab.test",), ("10.0.0.2",))
    assert {(record.name, record.lan) for record in records(requested)} >= {("node.lab.test", node.address)}
    assert (leaf.usage, leaf.owner, leaf.key_mode) == ("server", "root:root", "0600")
    assert (leaf.certificate, leaf.key) == ("/etc/phoenix/tls/pve_web.crt", "/etc/phoenix/tls/pve_web.key")
    assert leaf.reload == ("start", "phoenix-web-certificate.service")


def test_hypervisor_reaches_the_ca() -> None:
    """A hypervisor that trusts the CA may connect to it, because the CA issues its certificate."""
    assert ("ca", "pve", (9000,)) in {(flow.dest, flow.source, flow.ports) for flow in flows(estate())}


def test_clients_by_group() -> None:
    """Each guest of a client group of a mutual service has a client leaf; a hypervisor only probes and has none."""
    door = Service(port=9001, scheme="https", tls="mutual", clients=("workers", "pve"))
    small = estate(
        guest("door", 20, services={"door": door}),
        guest("w1", 21, "workers"),
        guest("w2", 22, "workers"),
        guest("x", 23),
    )
    assert [leaf.host for leaf in certificates(small) if leaf.name == "door-client"] == ["w1", "w2"]
    assert leaves_of(small, "x") == leaves_of(small, "pve") == ()
    assert client_leaf(small, "door", "w1").dns == ("w1-client.lab.test",)
    assert client_leaf(small, "door", "w1").key == "/etc/phoenix/tls/door-client.key"
