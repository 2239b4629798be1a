"""Small estates for tests, as inventory text, as models and as Hypothesis strategies."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from hypothesis import strategies as st

from phoenix.estate import Authority, Container, Egress, Estate, Guest, Hypervisor, Mount, Network, Service, Settings

HOSTS = """\
pve:
  hostname: 10.0.0.2
  groups: [hypervisor]
  data: {node: node, guest_resolver: 10.0.0.3, guest_storage: /lxc, vm_storage: /vm}
ca:
  hostname: 10.0.0.10
  groups: [lxc, step_ca]
  data: {vmid: 103, clone_of: base, mounts: [{source: ssl, target: /etc/step-ca/ssl, owner: "800:800"}]}
edge:
  hostname: 10.0.0.11
  groups: [lxc, trusted_ca, step_cli, nginx]
  data: {vmid: 101, clone_of: base, depends_on: [ca]}
mesh:
  hostname: 10.0.0.12
  groups: [lxc, trusted_ca, traefik]
  data:
    vmid: 102
    clone_of: base
    services: {dash: {port: 8080, expose: true, aliases: [dash.old.test]}}
app:
  hostname: 10.0.0.20
  groups: [vm, trusted_ca, step_cli, docker]
  data:
    vmid: 110
    disk_image: "local:import/x.img"
    tags: [prod]
    startup: {order: 3}
    services:
      web: {port: 8000, expose: true, clients: [edge]}
      door: {port: 9001, scheme: https, tls: mutual, clients: [mesh, pve]}
    containers: {web: {image: "web:1", ports: ["8000"], volumes: ["/srv/x:/x"], environment: {A: "b"}}}
base:
  groups: [lxc, template]
  data: {vmid: 900, ostemplate: "local:vztmpl/x.tar.zst"}
"""
GROUPS = """\
hypervisor: {}
lxc: {data: {storage: pool}}
vm: {data: {storage: pool}}
template: {}
trusted_ca: {}
step_cli: {}
step_ca: {}
nginx: {}
traefik: {}
docker: {}
"""
DEFAULTS = """\
data:
  zone: lab.test
  alias_zones: [old.test]
  network: {subnet: 10.0.0.0/24, gateway: 10.0.0.1, upstream_dns: [8.8.8.8], management: [10.0.0.250]}
  egress: [{protocol: tcp, ports: [443], purpose: packages}]
  ca: {name: Lab CA, provisioner: admin}
  records: {printer: 10.0.0.200}
"""
LABELS = st.from_regex(r"[a-z][a-z0-9-]{0,5}[a-z0-9]", fullmatch=True).filter(
    lambda label: (
        label not in {"ca", "node", "printer", "edge", "mesh", "any", "lan", "management", "internet", "upstream"}
    )
)


def guest(name: str, number: int, *groups: str, **options: Any) -> Guest:
    """Return a guest whose VM id and address derive from a number; a container by default."""
    values: dict[str, Any] = {
        "kind": "lxc",
        "hypervisor": "pve",
        "storage": "pool",
        "ostemplate": "local:vztmpl/x",
        **options,
    }
    return Guest(name=name, groups=groups, vmid=100 + number, address=IPv4Address(f"10.0.0.{number}"), **values)


def hypervisor(**options: Any) -> Hypervisor:
    """Return the estate's only hypervisor."""
    values: dict[str, Any] = {"node": "node", "guest_storage": "/lxc", "vm_storage": "/vm", **options}
    return Hypervisor(
        name="pve",
        groups=("hypervisor", "trusted_ca"),
        address=IPv4Address("10.0.0.2"),
        guest_resolver=IPv4Address("10.0.0.3"),
        **values,
    )


def estate(*guests: Guest, **settings: Any) -> Estate:
    """Return an estate of CA, edge, mesh and the given guests."""
    values: dict[str, Any] = {
        "zone": "lab.test",
        "network": Network.model_validate(
            {
                "subnet": "10.0.0.0/24",
                "gateway": "10.0.0.1",
                "upstream_dns": ["8.8.8.8"],
                "management": ["10.0.0.250"],
            }
        ),
        "egress": (Egress(protocol="tcp", ports=(443,), purpose="packages"),),
        "ca": Authority(name="Lab CA", provisioner="admin"),
        **settings,
    }
    mount = Mount(source="ssl", target="/etc/step-ca/ssl", owner="800:800", mode="0700")
    core = (
        guest("ca", 10, "lxc", "step_ca", mounts=(mount,)),
        guest("edge", 11, "lxc", "trusted_ca", "step_cli", "nginx"),
        guest("mesh", 12, "lxc", "trusted_ca", "traefik"),
    )
    return Estate(settings=Settings(**values), hypervisors=(hypervisor(),), guests=(*core, *guests))


@st.composite
def estates(draw: st.DrawFn) -> Estate:
    """Draw small valid estates."""
    names = draw(st.lists(LABELS, min_size=0, max_size=4, unique=True))
    labels = draw(st.lists(LABELS.filter(lambda label: label not in names), max_size=6, unique=True))
    parties = [*names, "edge", "mesh", "pve", "lan", "management", "trusted_ca"]
    guests = []
    for number, name in enumerate(names, 20):
        services = {
            label: _service(draw, port, parties)
            for port, label in enumerate(labels, 8000)
            if draw(st.sampled_from(names)) == name or number == 19 + len(names)
        }
        labels = [label for label in labels if label not in services]
        vm = draw(st.booleans())
        options = {"kind": "vm", "persistent_storage": "/data"} if vm else {"mounts": (Mount(source="a", target="/a"),)}
        groups = ("vm" if vm else "lxc", "trusted_ca", "step_cli")
        guests.append(guest(name, number, *groups, services=services, unprivileged=draw(st.booleans()), **options))
    return estate(*guests)


def _service(draw: st.DrawFn, port: int, parties: list[str]) -> Service:
    clients = tuple(draw(st.lists(st.sampled_from(parties), max_size=3, unique=True)))
    kind = draw(st.sampled_from(["web", "https", "mutual", "tcp"]))
    match kind:
        case "web":
            return Service(port=port, expose=True, clients=clients)
        case "https":
            return Service(port=port, scheme="https", expose=draw(st.booleans()), tls="server", clients=clients)
        case "mutual":
            return Service(port=port, scheme="https", tls="mutual", clients=clients or ("mesh",))
    return Service(port=port, scheme="tcp", clients=clients)


__all__ = ["DEFAULTS", "GROUPS", "HOSTS", "Container", "estate", "estates", "guest", "hypervisor"]
