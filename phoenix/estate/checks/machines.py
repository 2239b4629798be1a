"""Checks across hosts: roles, ids, addresses, references, and sources (templates and images)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from ipaddress import IPv4Address

from phoenix.estate.key_locations import Sources
from phoenix.estate.model import Estate, Guest, Hypervisor, Machine
from phoenix.estate.problems import Problems, nearest

ROLES = {"step_ca": "the CA", "traefik": "the mesh", "nginx": "the edge"}


def roles(estate: Estate, sources: Sources, *, incomplete: bool) -> Problems:
    """Check that exactly one guest has each role; missing roles are not reported if the estate is incomplete."""
    if not estate.hypervisors and not incomplete:
        yield sources.hosts.problem((), "", "no host is in the group 'hypervisor'; the estate requires one")
    for role, title in ROLES.items():
        holders = [guest.name for guest in estate.guests if guest.has(role)]
        if len(holders) > 1:
            message = f"{' and '.join(holders)} are both in {role!r}; {title} must be one guest"
            yield sources.hosts.problem((holders[1], "groups"), f"{holders[1]}.groups", message)
        if not holders and not incomplete:
            yield sources.hosts.problem((), "", f"no guest is in the group {role!r}; {title} is missing")
    for host in (*estate.hypervisors, *estate.templates):
        for role in (*ROLES, "portainer", "portainer_agent", "docker"):
            if host.has(role) and (role in ROLES or host in estate.hypervisors):
                message = f"{role!r} is for guests that run, and {host.name} is not one: remove the group"
                yield sources.hosts.problem((host.name, "groups"), f"{host.name}.groups", message)
    for guest in estate.guests:
        if guest.has("nginx") and guest.has("traefik"):
            message = "'nginx' and 'traefik' both listen on 80 and 443: edge and mesh must be two guests"
            yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)


def _machines(estate: Estate) -> tuple[Machine, ...]:
    return (*estate.guests, *estate.templates)


def identity(estate: Estate, sources: Sources) -> Problems:
    """Check that vmids and MAC addresses are unique."""
    vmids = Counter(machine.vmid for machine in _machines(estate))
    for machine in _machines(estate):
        if vmids[machine.vmid] > 1:
            others = [m.name for m in _machines(estate) if m.vmid == machine.vmid and m is not machine]
            yield sources.problem(machine.name, ("vmid",), f"{machine.vmid} is also the vmid of {', '.join(others)}")
    macs = Counter(guest.mac.upper() for guest in estate.guests if guest.mac)
    for guest in estate.guests:
        if guest.mac and macs[guest.mac.upper()] > 1:
            yield sources.problem(guest.name, ("mac",), f"{guest.mac} is used by {macs[guest.mac.upper()]} guests")


def addresses(estate: Estate, sources: Sources) -> Problems:
    """Check that addresses are in the subnet and unique."""
    network = estate.settings.network
    of_nodes = {address for hypervisor in estate.hypervisors for address in (hypervisor.address, *hypervisor.also)}
    taken = {} if network.gateway in of_nodes else {network.gateway: "the gateway"}
    for host, path, address in _declared_addresses(estate):
        if address in (network.subnet.network_address, network.subnet.broadcast_address):
            message = f"{address} is the network or broadcast address, not a host's: choose another"
            yield sources.problem(host.name, path, message)
        elif address not in network.subnet and not _may_be_outside(estate, host, path):
            yield sources.problem(host.name, path, f"{address} is not in the subnet {network.subnet}")
        if address in taken:
            yield sources.problem(host.name, path, f"{address} is already the address of {taken[address]}")
        of_resolver = f"the guest resolver of {host.name}" if path == ("guest_resolver",) else host.name
        taken.setdefault(address, of_resolver)


def _declared_addresses(estate: Estate) -> Iterator[tuple[Hypervisor | Guest, tuple[str | int, ...], IPv4Address]]:
    """Yield every address of a host, with the key that declares it: those of resolvers, of nodes, then of guests."""
    for hypervisor in estate.hypervisors:
        yield hypervisor, ("guest_resolver",), hypervisor.guest_resolver
    for host in estate.live():
        yield host, ("address",), host.address
        if isinstance(host, Hypervisor):
            yield from ((host, ("also", index), address) for index, address in enumerate(host.also))


def _may_be_outside(estate: Estate, host: Hypervisor | Guest, path: tuple[str | int, ...]) -> bool:
    """Report whether an address may be outside the guests' subnet: a node's, and its resolver's if the node is."""
    if isinstance(host, Guest):
        return False
    return path != ("guest_resolver",) or estate.inner_address(host) not in estate.settings.network.subnet


def resolvers(estate: Estate, sources: Sources) -> Problems:
    """Check that the address at which a node serves names for its guests belongs to no other machine."""
    network = estate.settings.network
    known = {
        IPv4Address(int(one.network_address)): "an operator (management)"
        for one in network.management
        if one.prefixlen == one.max_prefixlen
    }
    for name, address in _records(estate):
        known.setdefault(address, f"the record {estate.record_name(name)}")
    for hypervisor in estate.hypervisors:
        resolver = hypervisor.guest_resolver
        if resolver in known:
            message = f"{resolver} is already the address of {known[resolver]}: choose one that no machine has"
            yield sources.problem(hypervisor.name, ("guest_resolver",), message)


def _records(estate: Estate) -> Iterator[tuple[str, IPv4Address]]:
    yield from estate.settings.records.items()
    for guest in estate.guests:
        yield from guest.records.items()


def references(estate: Estate, sources: Sources, exists: set[str]) -> Problems:
    """Check that the hypervisors and dependencies of guests exist."""
    hypervisors = {h.name for h in estate.hypervisors}
    guests = {guest.name for guest in estate.guests}
    templates = {template.name for template in estate.templates}
    for machine in _machines(estate):
        if machine.hypervisor in guests | templates:
            message = f"{machine.hypervisor!r} is not in the group 'hypervisor'"
            yield sources.problem(machine.name, ("hypervisor",), message)
        elif hypervisors and machine.hypervisor not in exists:
            message = f"unknown hypervisor {machine.hypervisor!r}; {nearest(machine.hypervisor, hypervisors)}"
            yield sources.problem(machine.name, ("hypervisor",), message)
    for guest in estate.guests:
        for index, name in enumerate(guest.depends_on):
            if name in templates:
                message = f"{name!r} is a template, which never runs: remove the dependency"
                yield sources.problem(guest.name, ("depends_on", index), message)
            elif name not in exists:
                message = f"unknown host {name!r}; {nearest(name, guests)}"
                yield sources.problem(guest.name, ("depends_on", index), message)


def origins(estate: Estate, sources: Sources, exists: set[str]) -> Problems:
    """Check that every guest and template is created from one template or image of its kind."""
    templates = {template.name: template for template in estate.templates}
    for machine in _machines(estate):
        own = "ostemplate" if machine.kind == "lxc" else "disk_image"
        foreign = "disk_image" if machine.kind == "lxc" else "ostemplate"
        if getattr(machine, foreign):
            message = f"{machine.name} is a {machine.kind}, which is created from {own!r} or 'clone_of'"
            yield sources.problem(machine.name, (foreign,), message)
        if bool(machine.clone_of) == bool(getattr(machine, own)):
            yield sources.problem(machine.name, ("clone_of",), f"set exactly one of 'clone_of' and {own!r}")
        if machine.clone_of and machine.clone_of not in exists:
            message = f"unknown template {machine.clone_of!r}; {nearest(machine.clone_of, templates)}"
            yield sources.problem(machine.name, ("clone_of",), message)
        elif machine.clone_of in templates and templates[machine.clone_of].kind != machine.kind:
            kind = templates[machine.clone_of].kind
            message = f"{machine.clone_of!r} is of the kind {kind}, {machine.name} of the kind {machine.kind}"
            yield sources.problem(machine.name, ("clone_of",), message)
        elif machine.clone_of in templates and not _share_a_cluster(estate, machine, templates[machine.clone_of]):
            message = f"{machine.clone_of!r} is on {templates[machine.clone_of].hypervisor}, a node of another cluster"
            yield sources.problem(machine.name, ("clone_of",), f"{message}: name a template of {machine.hypervisor}")
        elif machine.clone_of in {host.name for host in estate.live()}:
            message = f"{machine.clone_of!r} is not in the group 'template'; only templates can be cloned"
            yield sources.problem(machine.name, ("clone_of",), message)


def _share_a_cluster(estate: Estate, one: Machine, other: Machine) -> bool:
    """Report whether a machine can be cloned from another; nodes that do not exist are reported elsewhere."""
    clusters = {node.name: node.cluster for node in estate.hypervisors}
    nodes = {one.hypervisor, other.hypervisor}
    return len(nodes) == 1 or not nodes <= set(clusters) or len({clusters[node] for node in nodes}) == 1


def cycles(estate: Estate, sources: Sources) -> Problems:
    """Check that neither dependencies nor clones form a cycle."""
    depends = {guest.name: guest.depends_on for guest in estate.guests}
    clones = {machine.name: (machine.clone_of,) for machine in _machines(estate) if machine.clone_of}
    for key, graph in (("depends_on", depends), ("clone_of", clones)):
        for cycle in _cycles(graph):
            yield sources.problem(cycle[0], (key,), f"forms a cycle: {' → '.join(cycle)}")


def _cycles(graph: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Find cycles that share no host; each starts with its first host by name."""
    rest = dict(graph)
    while True:
        try:
            TopologicalSorter(rest).prepare()
        except CycleError as error:
            cycle = list(reversed(error.args[1]))[1:]
            first = cycle.index(min(cycle))
            yield [*cycle[first:], *cycle[: first + 1]]
            rest = {name: needs for name, needs in rest.items() if name not in cycle}
        else:
            return
