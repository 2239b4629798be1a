"""Whether hosts fit together: roles, ids, addresses, what they refer to, what they are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from phoenix.estate.model import Estate, Machine
from phoenix.estate.problems import Found, nearest
from phoenix.estate.sources import Sources

ROLES = {"step_ca": "the authority", "traefik": "the mesh", "nginx": "the edge"}


def roles(estate: Estate, sources: Sources, *, incomplete: bool) -> Found:
    """Each role is played by exactly one guest."""
    if not estate.hypervisors and not incomplete:
        yield sources.hosts.problem((), "", "no host is in the group 'hypervisor'; the estate needs one")
    for role, title in ROLES.items():
        holders = [guest.name for guest in estate.guests if guest.has(role)]
        if len(holders) > 1:
            message = f"{' and '.join(holders)} are both in {role!r}; {title} is one guest"
            yield sources.hosts.problem((holders[1], "groups"), f"{holders[1]}.groups", message)
        if not holders and not incomplete:
            yield sources.hosts.problem((), "", f"no guest is in the group {role!r}; {title} is missing")
    for host in (*estate.hypervisors, *estate.templates):
        for role in (*ROLES, "portainer", "portainer_agent", "docker"):
            if host.has(role) and (role in ROLES or host in estate.hypervisors):
                message = f"{role!r} is for a guest that runs, and {host.name} is none"
                yield sources.hosts.problem((host.name, "groups"), f"{host.name}.groups", message)
    for guest in estate.guests:
        if guest.has("nginx") and guest.has("traefik"):
            message = "'nginx' and 'traefik' both listen on 80 and 443: edge and mesh are two guests"
            yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)


def _machines(estate: Estate) -> tuple[Machine, ...]:
    return (*estate.guests, *estate.templates)


def identity(estate: Estate, sources: Sources) -> Found:
    """Ids and MAC addresses are unique."""
    vmids = Counter(machine.vmid for machine in _machines(estate))
    for machine in _machines(estate):
        if vmids[machine.vmid] > 1:
            others = [m.name for m in _machines(estate) if m.vmid == machine.vmid and m is not machine]
            yield sources.problem(machine.name, ("vmid",), f"{machine.vmid} is also the vmid of {', '.join(others)}")
    macs = Counter(guest.mac.upper() for guest in estate.guests if guest.mac)
    for guest in estate.guests:
        if guest.mac and macs[guest.mac.upper()] > 1:
            yield sources.problem(guest.name, ("mac",), f"{guest.mac} is used by {macs[guest.mac.upper()]} guests")


def addresses(estate: Estate, sources: Sources) -> Found:
    """Addresses are in the subnet and unique."""
    network = estate.settings.network
    taken = {network.gateway: "the gateway"}
    for hypervisor in estate.hypervisors:
        resolver = hypervisor.guest_resolver
        if resolver not in network.subnet:
            message = f"{resolver} is not in the subnet {network.subnet}"
            yield sources.problem(hypervisor.name, ("guest_resolver",), message)
        if resolver in taken:
            message = f"{resolver} is already the address of {taken[resolver]}"
            yield sources.problem(hypervisor.name, ("guest_resolver",), message)
        taken.setdefault(resolver, f"the guest resolver of {hypervisor.name}")
    for host in estate.live():
        if host.address not in network.subnet:
            yield sources.problem(host.name, ("address",), f"{host.address} is not in the subnet {network.subnet}")
        elif host.address in (network.subnet.network_address, network.subnet.broadcast_address):
            yield sources.problem(host.name, ("address",), f"{host.address} is not an address of a host")
        if host.address in taken:
            message = f"{host.address} is already the address of {taken[host.address]}"
            yield sources.problem(host.name, ("address",), message)
        taken.setdefault(host.address, host.name)


def references(estate: Estate, sources: Sources, exists: set[str]) -> Found:
    """Hypervisors and dependencies exist."""
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
                message = f"{name!r} is a template, which never runs: nothing can depend on it"
                yield sources.problem(guest.name, ("depends_on", index), message)
            elif name not in exists:
                message = f"unknown host {name!r}; {nearest(name, guests)}"
                yield sources.problem(guest.name, ("depends_on", index), message)


def origins(estate: Estate, sources: Sources, exists: set[str]) -> Found:
    """Every guest is made from one thing of its kind."""
    templates = {template.name: template for template in estate.templates}
    for machine in _machines(estate):
        own = "ostemplate" if machine.kind == "lxc" else "disk_image"
        foreign = "disk_image" if machine.kind == "lxc" else "ostemplate"
        if getattr(machine, foreign):
            yield sources.problem(machine.name, (foreign,), f"a {machine.kind} is made from {own!r} or 'clone_of'")
        if bool(machine.clone_of) == bool(getattr(machine, own)):
            yield sources.problem(machine.name, ("clone_of",), f"needs exactly one of 'clone_of' and {own!r}")
        if machine.clone_of and machine.clone_of not in exists:
            message = f"unknown template {machine.clone_of!r}; {nearest(machine.clone_of, templates)}"
            yield sources.problem(machine.name, ("clone_of",), message)
        elif machine.clone_of in templates and templates[machine.clone_of].kind != machine.kind:
            message = f"{machine.clone_of!r} is a {templates[machine.clone_of].kind}, this is a {machine.kind}"
            yield sources.problem(machine.name, ("clone_of",), message)
        elif machine.clone_of in {host.name for host in estate.live()}:
            message = f"{machine.clone_of!r} is not in the group 'template'; only templates are cloned"
            yield sources.problem(machine.name, ("clone_of",), message)


def cycles(estate: Estate, sources: Sources) -> Found:
    """Neither dependencies nor clones go round in a circle."""
    depends = {guest.name: guest.depends_on for guest in estate.guests}
    clones = {machine.name: (machine.clone_of,) for machine in _machines(estate) if machine.clone_of}
    for key, graph in (("depends_on", depends), ("clone_of", clones)):
        for circle in _circles(graph):
            yield sources.problem(circle[0], (key,), f"goes round in a circle: {' → '.join(circle)}")


def _circles(graph: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Every circle that shares no host with another one, each beginning with its first host by name."""
    rest = dict(graph)
    while True:
        try:
            TopologicalSorter(rest).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))[1:]
            first = circle.index(min(circle))
            yield [*circle[first:], *circle[: first + 1]]
            rest = {name: needs for name, needs in rest.items() if name not in circle}
        else:
            return
