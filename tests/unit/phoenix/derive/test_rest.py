"""Routes, storage and guest options of the example estate."""

from __future__ import annotations

import pytest

from phoenix.derive.guests import bind_mounts, creation, options
from phoenix.derive.routes import routes
from phoenix.derive.storage import directories, exports
from phoenix.estate import Guest, Hypervisor, Mount, Template
from tests.support.estates import estate, guest
from tests.support.inventories import example

ZONE = "internal.thinkheads.ai"
ROUTES = {
    "portainer": ("https://10.0.0.111:9443", "/api/system/status"),
    "qdrant": ("http://10.0.0.102:6333", "/readyz"),
    "qdrant-grpc": ("h2c://10.0.0.102:6334", "/grpc.health.v1.Health/Check"),
    "thinkheads-ai": ("http://10.0.0.102:8000", "/health"),
    "granite-embedding": ("http://10.0.0.141:8000", "/health"),
    "granite-3b": ("http://10.0.0.142:8000", "/health"),
    "ollama": ("http://10.0.0.155:11434", "/api/tags"),
    "llamacpp": ("http://10.0.0.157:8081", "/health"),
    "nginx": ("http://10.0.0.153:8081", "/health"),
    "traefik": (None, "/dashboard/"),
}


def test_routes_of_the_example() -> None:
    """Every exposed service has a route under its own name, and there are no other routes."""
    assert {route.service: (route.backend, route.health) for route in routes(example())} == ROUTES
    assert all(route.name == route.server_name == f"{route.service}.{ZONE}" for route in routes(example()))
    assert {route.hosts[1:] for route in routes(example())} == {(), ("portainer.phoenix.local",)}


def the(name: str) -> Guest:
    """Find a guest of the example."""
    host = example().host(name)
    assert isinstance(host, Guest)
    return host


def node() -> Hypervisor:
    """Return the hypervisor of the example."""
    return example().hypervisors[0]


def test_directories_of_the_example() -> None:
    """Persistent directories have the shifted ids of the guest that uses them; parents come first."""
    lxc, vm = "/mnt/pve/quickOS/lxc-persistent-data", "/quickOS/vm-persistent-data"
    assert [(d.path, d.uid, d.gid, d.mode) for d in directories(example(), node())] == [
        (f"{lxc}/103", 0, 0, "0755"),
        (f"{lxc}/103/ssl", 100800, 100800, "0700"),
        (f"{lxc}/101", 0, 0, "0755"),
        (f"{lxc}/101/logs", 100033, 100033, "0755"),
        (f"{lxc}/101/ssl", 100000, 100000, "0750"),
        (f"{vm}/1001", 0, 0, "0755"),
        (f"{vm}/1002", 0, 0, "0755"),
    ]


@pytest.mark.parametrize(("unprivileged", "uid", "gid"), [(True, 100033, 100044), (False, 33, 44)])
def test_shift(unprivileged: bool, uid: int, gid: int) -> None:  # noqa: FBT001  # a row of the table
    """Ids are shifted for unprivileged containers only."""
    mount = Mount(source="a", target="/a", owner="33:44")
    small = estate(guest("app", 20, mounts=(mount,), unprivileged=unprivileged))
    owners = {d.path: (d.uid, d.gid) for d in directories(small, small.hypervisors[0])}
    assert owners["/lxc/120/a"] == (uid, gid)


def test_exports_of_the_example() -> None:
    """The storage of each virtual machine is exported to that machine only."""
    assert [export.line for export in exports(example(), node())] == [
        "/quickOS/vm-persistent-data/1001 10.0.0.111(rw,sync,no_subtree_check,no_root_squash)",
        "/quickOS/vm-persistent-data/1002 10.0.0.102(rw,sync,no_subtree_check,no_root_squash)",
    ]


def test_only_the_ca_mounts_its_state() -> None:
    """The directory of the CA is mounted in its own guest and in no other."""
    mounts = {guest.name: bind_mounts(example(), guest) for guest in example().guests}
    state = "/mnt/pve/quickOS/lxc-persistent-data/103"
    assert [mount.value for mount in mounts["step-ca"]] == [f"{state}/ssl,mp=/etc/step-ca/ssl"]
    assert [name for name, own in mounts.items() if state in str(own)] == ["step-ca"]
    assert [mount.target for mount in mounts["nginx-gateway"]] == ["/var/log/nginx", "/etc/nginx/ssl"]


def test_options_of_a_container() -> None:
    """A container has these options, in the API's notation."""
    assert options(example(), the("step-ca")) == {
        "memory": "1024",
        "cores": "2",
        "tags": "phoenix;phoenix-c620f07c22",
        "hostname": "step-ca",
        "swap": "512",
        "onboot": "1",
        "startup": "order=1,up=5",
        "nameserver": "10.0.0.53",
        "searchdomain": ZONE,
        "net0": "name=eth0,bridge=vmbr0,firewall=1,type=veth,ip=10.0.0.10/24,gw=10.0.0.1,hwaddr=52:54:00:AA:BB:CA",
    }


def test_options_of_a_machine() -> None:
    """A virtual machine has these options, in the API's notation; its MAC address follows from its vmid."""
    assert options(example(), the("portainer")) == {
        "memory": "8192",
        "cores": "4",
        "tags": "phoenix;phoenix-7db8b0407f",
        "name": "portainer",
        "agent": "1",
        "onboot": "1",
        "startup": "order=4,up=2",
        "nameserver": "10.0.0.53",
        "searchdomain": ZONE,
        "net0": "virtio=02:50:58:00:03:E9,bridge=vmbr0,firewall=1",
        "ipconfig0": "ip=10.0.0.111/24,gw=10.0.0.1",
        "ciuser": "phoenix_user",
    }


def test_every_nic_is_filtered() -> None:
    """Every NIC has `firewall=1`, without which no rule of the guest is enforced."""
    assert all("firewall=1" in options(example(), guest)["net0"].split(",") for guest in example().guests)


def test_templates_have_no_network() -> None:
    """A template has neither network nor start options, and is created from the declared image."""
    base, cloud = (example().host(name) for name in ("copy-base", "ubuntu-2404-cloud-template"))
    assert isinstance(base, Template)
    assert isinstance(cloud, Template)
    assert not {"net0", "onboot", "startup", "ipconfig0"} & {*options(example(), base), *options(example(), cloud)}
    assert creation(base) == {
        "ostemplate": "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
        "rootfs": "quickOS-lxc-disks:16",
        "unprivileged": "1",
        "features": "nesting=1",
    }
    assert creation(cloud)["scsi0"] == "quickOS-vm-disks:0,import-from=local:import/noble-server-cloudimg-amd64.qcow2"
