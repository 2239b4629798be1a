"""The firewall that an estate's flows yield, as the model takes it: what would be sent to the API, read back."""

from __future__ import annotations

from phoenix.derive.cache import cached_per_estate
from phoenix.derive.firewall import IpSet, cluster_firewall, guest_firewall
from phoenix.derive.guests import mac_of
from phoenix.estate import Estate, Guest
from phoenix.pve.firewall.model.configuration import Entry, Firewall, GuestScope, Nic, Scope


@cached_per_estate
def derived_firewall(estate: Estate) -> Firewall:
    """Cluster, nodes by their inventory names, and guests by id."""
    cluster = cluster_firewall(estate)
    scope = Scope(
        cluster.options,
        tuple(rule.parameters for rule in cluster.rules),
        cluster.aliases,
        {ipset.name: _entries(ipset) for ipset in cluster.ipsets},
    )
    nodes = {hypervisor.name: Scope() for hypervisor in estate.hypervisors}
    guests = {guest.vmid: _guest(estate, guest) for guest in estate.guests}
    return Firewall(scope, str(estate.settings.network.subnet), nodes=nodes, guests=guests)


def _guest(estate: Estate, guest: Guest) -> GuestScope:
    found = guest_firewall(estate, guest)
    scope = Scope(found.options, tuple(rule.parameters for rule in found.rules))
    return GuestScope(scope, (Nic(0, (str(guest.address),), mac_of(guest.vmid)),))


def _entries(ipset: IpSet) -> tuple[Entry, ...]:
    return (
        *(Entry(network) for network in ipset.networks),
        *(Entry(network, nomatch=True) for network in ipset.except_),
    )
