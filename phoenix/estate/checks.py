"""Contradictions between hosts, services and settings: what no single value can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from phoenix.estate.model import Estate, Guest, Machine, Service
from phoenix.estate.problems import Problem, nearest

if TYPE_CHECKING:
    from phoenix.estate.load import Sources

Found = Iterator[Problem]
ROLES = {"step_ca": "the authority", "traefik": "the mesh", "nginx": "the edge"}
NEEDS = {
    "docker": ("trusted_ca",),
    "portainer": ("docker", "step_cli"),
    "portainer_agent": ("docker", "step_cli"),
    "nginx": ("trusted_ca", "step_cli"),
    "traefik": ("trusted_ca",),
}
ANYONE = ("lan", "management")
"""Words that a service's `clients` may name besides hosts and groups."""


def contradictions(estate: Estate, sources: Sources, broken: Iterable[str] = ()) -> list[Problem]:
    """Find every contradiction; `broken` names hosts that exist but could not be understood."""
    exists = {host.name for host in estate.hosts()} | set(broken)
    checks: tuple[Callable[[], Found], ...] = (
        lambda: _roles(estate, sources, incomplete=bool(broken)),
        lambda: _identity(estate, sources),
        lambda: _addresses(estate, sources),
        lambda: _references(estate, sources, exists),
        lambda: _origins(estate, sources, exists),
        lambda: _cycles(estate, sources),
        lambda: _features(estate, sources),
        lambda: _names(estate, sources),
        lambda: _services(estate, sources, exists),
        lambda: _containers(estate, sources),
        lambda: _settings(estate, sources),
    )
    return [problem for check in checks for problem in check()]


def _roles(estate: Estate, sources: Sources, *, incomplete: bool) -> Found:
    if not estate.hypervisors and not incomplete:
        yield sources.hosts.problem((), "", "no host is in the group 'hypervisor'; the estate needs one")
    for role, title in ROLES.items():
        holders = [host.name for host in estate.members(role)]
        if len(holders) > 1:
            message = f"{' and '.join(holders)} are both in {role!r}; {title} is one guest"
            yield sources.hosts.problem((holders[1], "groups"), f"{holders[1]}.groups", message)
        if not holders and not incomplete:
            yield sources.hosts.problem((), "", f"no guest is in the group {role!r}; {title} is missing")


def _machines(estate: Estate) -> tuple[Machine, ...]:
    return (*estate.guests, *estate.templates)


def _identity(estate: Estate, sources: Sources) -> Found:
    vmids = Counter(machine.vmid for machine in _machines(estate))
    for machine in _machines(estate):
        if vmids[machine.vmid] > 1:
            others = [m.name for m in _machines(estate) if m.vmid == machine.vmid and m is not machine]
            yield sources.problem(machine.name, ("vmid",), f"{machine.vmid} is also the vmid of {', '.join(others)}")
    macs = Counter(guest.mac.upper() for guest in estate.guests if guest.mac)
    for guest in estate.guests:
        if guest.mac and macs[guest.mac.upper()] > 1:
            yield sources.problem(guest.name, ("mac",), f"{guest.mac} is used by {macs[guest.mac.upper()]} guests")


def _addresses(estate: Estate, sources: Sources) -> Found:
    network = estate.settings.network
    taken = {network.gateway: "the gateway"}
    taken |= {h.guest_resolver: f"the guest resolver of {h.name}" for h in estate.hypervisors}
    for host in estate.live():
        if host.address not in network.subnet:
            yield sources.problem(host.name, ("address",), f"{host.address} is not in the subnet {network.subnet}")
        elif host.address in (network.subnet.network_address, network.subnet.broadcast_address):
            yield sources.problem(host.name, ("address",), f"{host.address} is not an address of a host")
        if host.address in taken:
            message = f"{host.address} is already the address of {taken[host.address]}"
            yield sources.problem(host.name, ("address",), message)
        taken.setdefault(host.address, host.name)


def _references(estate: Estate, sources: Sources, exists: set[str]) -> Found:
    hypervisors = {h.name for h in estate.hypervisors}
    for machine in _machines(estate):
        if machine.hypervisor not in hypervisors and machine.hypervisor not in exists:
            message = f"unknown hypervisor {machine.hypervisor!r}; {nearest(machine.hypervisor, hypervisors)}"
            yield sources.problem(machine.name, ("hypervisor",), message)
    guests = {guest.name for guest in estate.guests}
    templates = {template.name for template in estate.templates}
    for guest in estate.guests:
        for index, name in enumerate(guest.depends_on):
            if name in templates:
                message = f"{name!r} is a template, which never runs: nothing can depend on it"
                yield sources.problem(guest.name, ("depends_on", index), message)
            elif name not in exists:
                message = f"unknown host {name!r}; {nearest(name, guests)}"
                yield sources.problem(guest.name, ("depends_on", index), message)


def _origins(estate: Estate, sources: Sources, exists: set[str]) -> Found:
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
        elif machine.clone_of in exists and machine.clone_of in {guest.name for guest in estate.guests}:
            message = f"{machine.clone_of!r} is not in the group 'template'; only templates are cloned"
            yield sources.problem(machine.name, ("clone_of",), message)


def _cycles(estate: Estate, sources: Sources) -> Found:
    depends = {guest.name: guest.depends_on for guest in estate.guests}
    clones = {machine.name: (machine.clone_of,) for machine in _machines(estate) if machine.clone_of}
    for key, graph in (("depends_on", depends), ("clone_of", clones)):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            yield sources.problem(circle[0], (key,), f"goes round in a circle: {' → '.join(circle)}")


def _features(estate: Estate, sources: Sources) -> Found:
    for guest in estate.guests:
        for feature in guest.groups:
            for needed in NEEDS.get(feature, ()):
                if not guest.has(needed):
                    message = f"{feature!r} needs the group {needed!r} as well"
                    yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)
        if guest.kind == "vm" and guest.mounts:
            yield sources.problem(guest.name, ("mounts",), "a vm has no bind mounts; use 'persistent_storage'")
        if guest.kind == "lxc" and guest.persistent_storage:
            yield sources.problem(guest.name, ("persistent_storage",), "a container uses 'mounts' for what must last")
        if guest.kind == "lxc" and guest.has("docker"):
            message = "'docker' is for vms: a container's kernel and storage are the hypervisor's"
            yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)
        targets = Counter(mount.target for mount in guest.mounts)
        for index, mount in enumerate(guest.mounts):
            if targets[mount.target] > 1:
                yield sources.problem(guest.name, ("mounts", index, "target"), f"{mount.target} is mounted twice")


def _names(estate: Estate, sources: Sources) -> Found:
    owners: dict[str, str] = {estate.fqdn(h.node): h.name for h in estate.hypervisors}
    zones = (estate.zone, *estate.settings.alias_zones)
    for guest in estate.guests:
        for name, path in _claimed(estate, guest):
            if owners.setdefault(name, guest.name) != guest.name:
                yield sources.problem(guest.name, path, f"the name {name} already belongs to {owners[name]}")
            if not name.endswith(tuple(f".{zone}" for zone in zones)):
                message = f"{name} is in no declared zone ({', '.join(zones)}); add its zone to alias_zones"
                yield sources.problem(guest.name, path, message)
    for label in estate.settings.records:
        if estate.fqdn(label) in owners:
            message = f"the name {estate.fqdn(label)} already belongs to {owners[estate.fqdn(label)]}"
            yield sources.setting(("records", label), message)
    services = Counter(name for guest in estate.guests for name in guest.services)
    for guest in estate.guests:
        for name in guest.services:
            if services[name] > 1:
                yield sources.problem(
                    guest.name, ("services", name), f"{services[name]} guests have a service {name!r}"
                )


def _claimed(estate: Estate, guest: Guest) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    yield estate.fqdn(guest.name), ()
    for label in guest.aliases:
        yield estate.fqdn(label), ("aliases",)
    for label in guest.records:
        yield estate.fqdn(label), ("records", label)
    for name, service in guest.services.items():
        if service.expose or service.tls:
            yield estate.fqdn(name), ("services", name)
        for alias in service.aliases:
            yield alias, ("services", name, "aliases")


def _services(estate: Estate, sources: Sources, exists: set[str]) -> Found:
    groups = {str(group) for group in sources.groups.data}
    for guest in estate.guests:
        ports = Counter(service.port for service in guest.services.values())
        for name, service in guest.services.items():
            path = ("services", name)
            for key, message in _wrong_with(service, guest):
                yield sources.problem(guest.name, (*path, key), message)
            if ports[service.port] > 1:
                message = f"port {service.port} belongs to {ports[service.port]} services of this guest"
                yield sources.problem(guest.name, (*path, "port"), message)
            for index, client in enumerate(service.clients):
                if client not in exists | groups | set(ANYONE):
                    message = f"unknown client {client!r}; {nearest(client, exists | groups | set(ANYONE))}"
                    yield sources.problem(guest.name, (*path, "clients", index), message)


def _wrong_with(service: Service, guest: Guest) -> Iterator[tuple[str, str]]:
    if service.expose and service.scheme == "tcp":
        yield "scheme", "a tcp service cannot be exposed: routes are HTTP; use clients instead"
    if service.expose and service.tls == "mutual":
        yield "tls", "an exposed service cannot demand client certificates: the mesh has none"
    if service.tls and service.scheme != "https":
        yield "tls", f"needs scheme https, not {service.scheme}"
    if service.tls == "mutual" and not service.clients:
        yield "tls", "mutual needs clients: who may connect?"
    if (service.tls or (service.expose and service.scheme == "https")) and not guest.has("step_cli"):
        yield "scheme", "a certificate is issued on the guest itself: add the group 'step_cli'"


def _containers(estate: Estate, sources: Sources) -> Found:
    for guest in estate.guests:
        if guest.containers and not guest.has("docker"):
            yield sources.problem(guest.name, ("containers",), "needs the group 'docker'")
        ports = {service.port for service in guest.services.values()}
        for name, container in guest.containers.items():
            if ":" not in container.image:
                message = f"{container.image} has no tag or digest: pin one, so that every deploy runs the same"
                yield sources.problem(guest.name, ("containers", name, "image"), message)
            for index, published in enumerate(container.ports):
                port = int(published.split(":")[-2] if published.count(":") else published)
                if not published.startswith("127.") and port not in ports:
                    message = f"publishes {port}, which is the port of no service of this guest"
                    yield sources.problem(guest.name, ("containers", name, "ports", index), message)


def _settings(estate: Estate, sources: Sources) -> Found:
    network, ca = estate.settings.network, estate.settings.ca
    if network.gateway not in network.subnet:
        yield sources.setting(("network", "gateway"), f"{network.gateway} is not in the subnet {network.subnet}")
    for index, server in enumerate(network.upstream_dns):
        if server in {h.address for h in estate.hypervisors} | {h.guest_resolver for h in estate.hypervisors}:
            message = f"{server} is the estate's own resolver: questions would go round in a circle"
            yield sources.setting(("network", "upstream_dns", index), message)
    for guest in estate.guests:
        if any(guest.address in network for network in estate.settings.network.management):
            message = f"{guest.address} lies in a management network: the guest could reach the hypervisor's API"
            yield sources.problem(guest.name, ("address",), message)
    if ca.renew_before_hours >= ca.leaf_hours:
        message = f"renewal {ca.renew_before_hours} h before the end is never, with leaves of {ca.leaf_hours} h"
        yield sources.setting(("ca", "renew_before_hours"), message)
    if estate.zone in estate.settings.alias_zones:
        yield sources.setting(("alias_zones",), f"{estate.zone} is the zone itself")
