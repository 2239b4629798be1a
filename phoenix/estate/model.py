"""The estate as typed values: the content of a validated inventory.

First step of the data flow: inventory → **estate** → derive → observe → changes → apply → report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from phoenix.estate.fields import (
    AbsolutePath,
    AnswerDomain,
    ContainerVolume,
    DatasetName,
    DomainName,
    Duration,
    ImageName,
    Label,
    Line,
    MacAddress,
    MaybeEmptyLine,
    Mode,
    NodeName,
    OwnerIds,
    Port,
    PublishedPort,
    Purpose,
    RecordName,
    Scheme,
    UrlPath,
    Variable,
    VmId,
    Volume,
    Word,
)

TRAEFIK_RENEWS = (
    (365 * 24, timedelta(days=120)),
    (90 * 24, timedelta(days=30)),
    (30 * 24, timedelta(days=10)),
    (7 * 24, timedelta(days=1)),
    (24, timedelta(hours=6)),
    (0, timedelta(minutes=20)),
)
"""Minimum lifetime in hours, and how long before expiry Traefik renews a certificate of that lifetime or longer."""


class Strict(BaseModel):
    """A frozen value that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Network(Strict):
    """The network of the estate.

    The gateway may be a hypervisor. `upstream_dns` may name guests. The domains of `private_answers` are those whose
    names an upstream server may answer with private addresses; `*` stands for all domains.
    """

    subnet: IPv4Network
    gateway: IPv4Address
    upstream_dns: tuple[IPv4Address, ...] = Field(min_length=1)
    private_answers: tuple[AnswerDomain, ...] = ()
    management: tuple[IPv4Network, ...] = Field(min_length=1)


class Egress(Strict):
    """Ports to which every guest may connect on the Internet."""

    protocol: Literal["tcp", "udp"]
    ports: tuple[Port, ...] = Field(min_length=1)
    purpose: Purpose


class Validity(Strict):
    """The lifetime of a certificate, and how long before expiry it is renewed (default: a third of the lifetime)."""

    lifetime: Duration
    renew_before: Duration | None = None

    @property
    def before(self) -> timedelta:
        """How long before expiry a certificate is renewed."""
        return self.renew_before or self.lifetime / 3


MIN_LIFETIME = timedelta(minutes=5)
"""The shortest lifetime of a certificate that the CA signs (step-ca's claim minTLSCertDuration)."""
DEFAULT_VALIDITY = Validity.model_validate({"lifetime": "7d", "renew_before": "3d"})
"""The validity where the inventory states none; the CA or a guest can be off for three days."""


class MeshValidity(Strict):
    """The lifetime of the mesh's certificates; Traefik itself determines when it renews them."""

    lifetime: Duration

    @property
    def hours(self) -> int:
        """Traefik's `certificatesDuration`, in whole hours."""
        return max(1, self.lifetime // timedelta(hours=1))

    @property
    def before(self) -> timedelta:
        """How long before expiry Traefik renews (its documentation, "certificatesDuration")."""
        return next(before for hours, before in TRAEFIK_RENEWS if self.hours >= hours)


class Authority(Strict):
    """The settings of the estate's CA, and the lifetimes of what it signs.

    `leaf` is the default for every certificate issued by token; a service's `certificate` overrides it, and `edge` does
    for the gateway.
    """

    name: Line
    provisioner: Word
    root: Duration = timedelta(days=3650)
    intermediate: Duration = timedelta(days=1825)
    leaf: Validity = DEFAULT_VALIDITY
    edge: Validity | None = None
    mesh: MeshValidity = MeshValidity.model_validate({"lifetime": "30d"})


class Settings(Strict):
    """The settings of the whole estate: the data of defaults.yaml.

    `foreign_rules` applies to firewall rules that do not follow from the inventory: `remove` deletes them, `report`
    leaves and reports them, `keep` leaves them and accepts what they open as intended. Without it, those of the
    estate's guests are deleted, and those of the cluster and its nodes are left, reported and accepted. `forward` names
    domains within the zones whose undeclared names the upstream servers answer; of domains within each other, the
    longest applies.
    """

    zone: DomainName
    alias_zones: tuple[DomainName, ...] = ()
    network: Network
    egress: tuple[Egress, ...] = ()
    ca: Authority
    foreign_rules: Literal["report", "keep", "remove"] | None = None
    records: dict[RecordName, IPv4Address] = {}
    forward: dict[DomainName, Literal["upstream"]] = {}


class Dataset(Strict):
    """A ZFS dataset of a hypervisor; properties are those of zfsprops(7)."""

    mountpoint: AbsolutePath
    properties: dict[Word, Word] = {}


class Service(Strict):
    """A listener on a guest. `expose` gives it a route and a name; `clients` may connect directly."""

    port: Port
    scheme: Scheme = "http"
    expose: bool = False
    tls: Literal["server", "mutual"] | None = None
    clients: tuple[Word, ...] = ()
    aliases: tuple[DomainName, ...] = ()
    health: UrlPath = "/"
    certificate: Validity | None = None


class Mount(Strict):
    """A bind mount of a hypervisor's directory in a container; `source` is below the guest's persistent directory."""

    source: Label
    target: AbsolutePath
    owner: OwnerIds = "0:0"
    mode: Mode = "0755"


class Container(Strict):
    """A Docker container; `ports` and `volumes` have the syntax of `docker run`."""

    image: ImageName
    ports: tuple[PublishedPort, ...] = ()
    volumes: tuple[ContainerVolume, ...] = ()
    environment: dict[Variable, MaybeEmptyLine] = {}
    command: tuple[Line, ...] = ()


class Startup(Strict):
    """Position in Proxmox's start order, and the delay after it in seconds."""

    order: int = Field(ge=0)
    delay: int = Field(default=0, ge=0)


class Host(Strict):
    """The fields that all hosts of the inventory have."""

    name: Label
    groups: tuple[str, ...]
    tags: tuple[Word, ...] = ()

    def has(self, group: str) -> bool:
        """Report whether the host is a member of the group."""
        return group in self.groups


class Hypervisor(Host):
    """A Proxmox VE node; with `web_certificate`, its web server presents a certificate of the estate's CA.

    `also` are its further addresses. Nodes with the same `cluster`, or without one, are nodes of one cluster.
    """

    address: IPv4Address
    also: tuple[IPv4Address, ...] = ()
    node: NodeName
    cluster: Word | None = None
    ceph: bool = False
    bridge: Word = "vmbr0"
    guest_resolver: IPv4Address
    guest_storage: AbsolutePath
    vm_storage: AbsolutePath
    datasets: dict[DatasetName, Dataset] = {}
    web_certificate: bool = False


class Machine(Host):
    """The fields of guests and templates: an id on a hypervisor and sizes (memory and swap in MiB, disk in GiB)."""

    vmid: VmId
    kind: Literal["lxc", "vm"]
    hypervisor: Label
    storage: Word
    memory: int = Field(default=2048, ge=16)
    swap: int = Field(default=0, ge=0)
    cores: int = Field(default=2, ge=1)
    disk: int = Field(default=16, ge=1)
    unprivileged: bool = True
    user: Word = "root"
    clone_of: Word | None = None
    ostemplate: Volume | None = None
    disk_image: Volume | None = None
    startup: Startup | None = None
    workload: Literal["managed", "external"] = "managed"


class Template(Machine):
    """A template: it is cloned and never runs."""


class Guest(Machine):
    """A container or virtual machine that runs."""

    address: IPv4Address
    mac: MacAddress | None = None
    depends_on: tuple[Word, ...] = ()
    aliases: tuple[Label, ...] = ()
    records: dict[RecordName, IPv4Address] = {}
    mounts: tuple[Mount, ...] = ()
    persistent_storage: AbsolutePath | None = None
    services: dict[Label, Service] = {}
    containers: dict[Label, Container] = {}


class Estate(Strict):
    """The whole estate, complete and free of contradictions."""

    settings: Settings
    hypervisors: tuple[Hypervisor, ...]
    guests: tuple[Guest, ...]
    templates: tuple[Template, ...] = ()

    @property
    def zone(self) -> str:
        """The DNS zone of the estate."""
        return self.settings.zone

    def fqdn(self, label: str) -> str:
        """Return the fully qualified name of a label in the zone, in lower case."""
        return f"{label.lower()}.{self.zone}"

    def record_name(self, name: str) -> str:
        """Return the full name of a record: a label is one of the zone, a name with a dot is complete."""
        return name if "." in name else self.fqdn(name)

    @property
    def zones(self) -> tuple[str, ...]:
        """The zone and its alias zones."""
        return (self.zone, *self.settings.alias_zones)

    def host(self, name: str) -> Hypervisor | Guest | Template:
        """Find a host by its inventory name; KeyError if it does not exist."""
        return self.by_name[name]

    def hypervisor(self, name: str) -> Hypervisor:
        """Find a hypervisor by its inventory name; KeyError if it does not exist."""
        return next((host for host in self.hypervisors if host.name == name), None) or _no_host(name)

    def guest(self, name: str) -> Guest:
        """Find a guest by its inventory name; KeyError if it does not exist."""
        return next((host for host in self.guests if host.name == name), None) or _no_host(name)

    @cached_property
    def by_name(self) -> Mapping[str, Hypervisor | Guest | Template]:
        """Every host by its inventory name."""
        return {host.name: host for host in self.hosts()}

    def hosts(self) -> Iterator[Hypervisor | Guest | Template]:
        """Iterate over all hosts: hypervisors, guests, templates."""
        yield from self.hypervisors
        yield from self.guests
        yield from self.templates

    def live(self) -> tuple[Hypervisor | Guest, ...]:
        """Return every host that runs: hypervisors, then guests."""
        return (*self.hypervisors, *self.guests)

    def members(self, group: str) -> tuple[Hypervisor | Guest, ...]:
        """Find the hypervisors and guests of a group."""
        return tuple(host for host in self.live() if host.has(group))

    def guest_with(self, role: str) -> Guest:
        """Find the guest that has a role (`step_ca`, `traefik`, `nginx`)."""
        return next(guest for guest in self.guests if guest.has(role))

    def peers_of(self, hypervisor: Hypervisor) -> tuple[Hypervisor, ...]:
        """Find the other nodes of a hypervisor's cluster."""
        return tuple(h for h in self.hypervisors if h.cluster == hypervisor.cluster and h.name != hypervisor.name)

    def inner_address(self, hypervisor: Hypervisor) -> IPv4Address:
        """The address from which a hypervisor connects to guests: one in their subnet, if it has one."""
        own = (hypervisor.address, *hypervisor.also)
        return next((address for address in own if address in self.settings.network.subnet), hypervisor.address)

    def hypervisor_of(self, machine: Machine) -> Hypervisor:
        """Find the hypervisor of a guest or template."""
        return next(h for h in self.hypervisors if h.name == machine.hypervisor)


def _no_host(name: str) -> NoReturn:
    raise KeyError(name)
