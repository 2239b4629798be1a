"""Checks of the estate-wide settings against each other and against the hosts."""

from __future__ import annotations

from phoenix.estate.key_locations import Sources
from phoenix.estate.model import Estate
from phoenix.estate.problems import Problems


def settings(estate: Estate, sources: Sources) -> Problems:
    """Check the gateway, the upstream name servers, the management networks and the alias zones."""
    network = estate.settings.network
    if network.gateway not in network.subnet:
        yield sources.setting(("network", "gateway"), f"{network.gateway} is not in the subnet {network.subnet}")
    for index, server in enumerate(network.upstream_dns):
        if server in {h.address for h in estate.hypervisors} | {h.guest_resolver for h in estate.hypervisors}:
            message = f"{server} is the estate's own resolver, which would forward queries to itself: remove it"
            yield sources.setting(("network", "upstream_dns", index), message)
    for guest in estate.guests:
        if any(guest.address in managing for managing in network.management):
            message = f"{guest.address} is in a management network: the guest could reach the hypervisor's API"
            yield sources.problem(guest.name, ("address",), message)
    if estate.zone in estate.settings.alias_zones:
        yield sources.setting(("alias_zones",), f"{estate.zone} is the zone itself: remove it")
