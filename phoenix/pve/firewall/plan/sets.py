"""The IP sets and aliases of a level → the API calls to the derived ones.

Source: Proxmox VE API, `…/firewall/{aliases,ipset}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from phoenix.derive.firewall import IpSet
from phoenix.pve.firewall.model.configuration import IpSetEntry, LevelConfig
from phoenix.pve.firewall.plan.level import FirewallLevel, Write, WritePhase


def alias_writes(level: FirewallLevel, wanted: Mapping[str, str], observed: LevelConfig) -> Iterator[Write]:
    """Create and update the derived aliases."""
    path = f"{level.base}/aliases"
    for name, cidr in wanted.items():
        current, title, fields = observed.aliases.get(name), f"alias {name}", {"cidr": cidr, "comment": "phoenix"}
        if current is None:
            yield Write(level, WritePhase.SETS, "post", path, {"name": name, **fields}, title, "create", cidr)
        elif current != cidr:
            reason = f"{current} → {cidr}"
            yield Write(level, WritePhase.SETS, "put", f"{path}/{name}", fields, title, "update", reason)


def ipset_writes(level: FirewallLevel, wanted: IpSet, observed: Sequence[IpSetEntry] | None) -> Iterator[Write]:
    """Create a derived set if it does not exist, add and correct its entries, and remove surplus ones."""
    title, path = f"set {wanted.name}", f"{level.base}/ipset"
    if observed is None:
        fields = {"name": wanted.name, "comment": "phoenix"}
        yield Write(level, WritePhase.SETS, "post", path, fields, title, "create")
    current = {entry.cidr: entry.nomatch for entry in observed or ()}
    target = {entry.cidr: entry.nomatch for entry in ipset_entries(wanted)}
    own = f"{path}/{wanted.name}"
    for cidr, nomatch in target.items():
        entry, text = f"{own}/{quote(cidr, safe='')}", f"{'not ' if nomatch else ''}{cidr}"
        if cidr not in current:
            fields = {"cidr": cidr, **({"nomatch": "1"} if nomatch else {})}
            yield Write(level, WritePhase.SETS, "post", own, fields, title, "create", text)
        elif current[cidr] != nomatch:
            fields = {"nomatch": str(int(nomatch))}
            yield Write(level, WritePhase.SETS, "put", entry, fields, title, "update", f"should be {text}")
    for cidr in sorted(set(current) - set(target)):
        yield Write(level, WritePhase.REMOVALS, "delete", f"{own}/{quote(cidr, safe='')}", {}, title, "remove", cidr)


def shadow_removals(level: FirewallLevel, observed: LevelConfig) -> Iterator[Write]:
    """Remove a guest's own aliases and sets, which would shadow the cluster's of the same name."""
    for name in observed.aliases:
        title, path = f"alias {name} of {level.name}", f"{level.base}/aliases/{name}"
        yield Write(level, WritePhase.SHADOWS, "delete", path, {}, title, "remove")
    for name in observed.ipsets:
        title, path = f"set {name} of {level.name}", f"{level.base}/ipset/{name}"
        yield Write(level, WritePhase.SHADOWS, "delete", path, {"force": "1"}, title, "remove")


def ipset_entries(ipset: IpSet) -> Iterator[IpSetEntry]:
    """A set's entries, excluded networks first, so that the set never contains them, even while it is created."""
    yield from (IpSetEntry(network, nomatch=True) for network in ipset.except_)
    yield from (IpSetEntry(network) for network in ipset.networks)
