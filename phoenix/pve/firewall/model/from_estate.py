"""An estate → the firewall that is derived from its flows, as the model takes it."""

from __future__ import annotations

from phoenix.derive.cache import cached_per_estate
from phoenix.derive.firewall import IpSet, cluster_firewall, guest_firewall
from phoenix.derive.guests import mac_of
from phoenix.estate import Estate, Guest
from phoenix.pve.firewall.model.configuration import Firewall, FirewallNic, GuestLevel, IpSetEntry, LevelConfig


@cached_per_estate
def firewall_from_estate(estate: Estate) -> Firewall:
    """Build all levels: the cluster, nodes by inventory name, and guests by id."""
    cluster = cluster_firewall(estate)
    config = LevelConfig(
        cluster.options,
        tuple(rule.parameters for rule in cluster.rules),
        cluster.aliases,
        {ipset.name: _entries(ipset) for ipset in cluster.ipsets},
    )
    nodes = {hypervisor.name: LevelConfig() for hypervisor in estate.hypervisors}
    guests = {guest.vmid: _guest(estate, guest) for guest in estate.guests}
    return Firewall(config, str(estate.settings.network.subnet), nodes=nodes, guests=guests)


def _guest(estate: Estate, guest: Guest) -> GuestLevel:
    level = guest_firewall(estate, guest)
    config = LevelConfig(level.options, tuple(rule.parameters for rule in level.rules))
    return GuestLevel(config, (FirewallNic(0, (str(guest.address),), mac_of(guest.vmid)),))


def _entries(ipset: IpSet) -> tuple[IpSetEntry, ...]:
    return (
        *(IpSetEntry(network) for network in ipset.networks),
        *(IpSetEntry(network, nomatch=True) for network in ipset.except_),
    )
