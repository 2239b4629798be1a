"""The firewall: rules derived from flows, compared by the key in their comment, written through the API.

Missing rules are added before surplus ones are deleted, and the policies are set only when every rule is there, so
that no connection that is needed is ever closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nornir.core.task import Result, Task

from phoenix.connections.proxmox import ProxmoxClient
from phoenix.converge import Change
from phoenix.derive.firewall import IpSet, Rule, cluster_firewall, guest_firewall
from phoenix.estate import Estate, Guest
from phoenix.pve.rules import compare_rules
from phoenix.run import Run
from tasks.converging import result


def apply_guest_firewall(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring a guest's firewall to what the flows say."""
    guest = run.estate.host(task.host.name)
    assert isinstance(guest, Guest)  # noqa: S101  # the stage runs on guests
    if guest.vmid not in run.exists:
        return result(task, [])
    api, base = run.links.api(guest.hypervisor), _base(run.estate, guest)
    rules, have = api.get(f"{base}/rules"), api.get(f"{base}/options")
    changes = guest_changes(run.estate, guest, rules, have)
    if changes and not task.is_dry_run(dry_run):
        write_guest_rules(run, api, guest)
    return result(task, changes)


def guest_changes(
    estate: Estate, guest: Guest, rules: Sequence[Mapping[str, Any]], have: Mapping[str, Any]
) -> list[Change]:
    """What differs between a guest's firewall and the derived one."""
    wanted = guest_firewall(estate, guest)
    return _changes(f"firewall of {guest.name}", wanted.rules, rules, wanted.options, have)


def write_guest_rules(run: Run, api: ProxmoxClient, guest: Guest) -> None:
    """Write a guest's rules, then its options."""
    base, wanted = _base(run.estate, guest), guest_firewall(run.estate, guest)
    _write_rules(api, base, wanted.rules)
    _write_options(api, base, wanted.options)


def apply_cluster_firewall(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring the cluster's rules and options to what the flows say; its sets are there, and the switch comes last."""
    api, wanted, base = run.links.api(task.host.name), cluster_firewall(run.estate), "cluster/firewall"
    write = not task.is_dry_run(dry_run)
    changes = [
        *_alias_changes(api, wanted.aliases, write=write),
        *_changes("firewall of the cluster", wanted.rules, api.get(f"{base}/rules"), {}, {}),
    ]
    if changes and write:
        _write_rules(api, base, wanted.rules)
    options = _changes("firewall of the cluster", (), (), wanted.options, api.get(f"{base}/options"))
    if options and write:
        _write_options(api, base, wanted.options)
    return result(task, [*changes, *options])


def prepare_cluster_sets(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Make the sets that guests' rules name, before a guest has such rules."""
    api = run.links.api(task.host.name)
    write = not task.is_dry_run(dry_run)
    sets = cluster_firewall(run.estate).ipsets
    return result(task, [change for ipset in sets for change in _ipset_changes(api, ipset, write=write)])


def _base(estate: Estate, guest: Guest) -> str:
    kind = "qemu" if guest.kind == "vm" else "lxc"
    return f"nodes/{estate.hypervisor_of(guest).node}/{kind}/{guest.vmid}/firewall"


def _changes(
    title: str,
    wanted: Sequence[Rule],
    rules: Sequence[Mapping[str, Any]],
    options: Mapping[str, str],
    have: Mapping[str, Any],
) -> list[Change]:
    compared = compare_rules(wanted, rules)
    found = [Change(title, "create", f"rule {_said(rule)}") for rule in compared.add]
    found += [Change(title, "remove", f"rule {said}") for _, said in compared.delete]
    return found + [
        Change(title, "update", f"{key} is {have.get(key, 'unset')}, should be {value}")
        for key, value in options.items()
        if _option(have.get(key)) != value
    ]


def _said(rule: Rule) -> str:
    words = (
        rule.direction.upper(),
        rule.protocol,
        rule.dport,
        rule.source and f"from {rule.source}",
        rule.dest and f"to {rule.dest}",
    )
    return " ".join(word for word in words if word) + f" ({rule.purpose})"


def _option(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _write_rules(api: ProxmoxClient, base: str, wanted: Sequence[Rule]) -> None:
    """Add what is missing (Proxmox puts a new rule on top, whatever position is asked for), then delete from below."""
    compared = compare_rules(wanted, api.get(f"{base}/rules"))
    for rule in reversed(compared.add):
        api.post(f"{base}/rules", **rule.parameters)
    for _ in compared.delete:
        surplus = compare_rules(wanted, api.get(f"{base}/rules")).delete
        if surplus:
            api.delete(f"{base}/rules/{surplus[0][0]}")


def _write_options(api: ProxmoxClient, base: str, options: Mapping[str, str]) -> None:
    have = api.get(f"{base}/options")
    differing = {key: value for key, value in options.items() if _option(have.get(key)) != value}
    if differing:
        api.put(f"{base}/options", **differing)


def _alias_changes(api: ProxmoxClient, wanted: Mapping[str, str], *, write: bool) -> list[Change]:
    have = {alias["name"]: alias["cidr"] for alias in api.get("cluster/firewall/aliases")}
    found = []
    for name, cidr in wanted.items():
        if have.get(name) == cidr:
            continue
        found.append(Change(f"alias {name}", "update" if name in have else "create", f"{have.get(name)} → {cidr}"))
        if not write:
            continue
        if name in have:
            api.put(f"cluster/firewall/aliases/{name}", cidr=cidr)
        else:
            api.post("cluster/firewall/aliases", name=name, cidr=cidr, comment="phoenix")
    return found


def _ipset_changes(api: ProxmoxClient, wanted: IpSet, *, write: bool) -> list[Change]:
    path, found = f"cluster/firewall/ipset/{wanted.name}", []
    exists = wanted.name in {ipset["name"] for ipset in api.get("cluster/firewall/ipset")}
    if not exists:
        found.append(Change(f"set {wanted.name}", "create"))
        if write:
            api.post("cluster/firewall/ipset", name=wanted.name, comment="phoenix")
    entries = api.get(path) if exists else []
    have = {(entry["cidr"], bool(int(entry.get("nomatch", 0)))) for entry in entries}
    want = {*((cidr, False) for cidr in wanted.networks), *((cidr, True) for cidr in wanted.except_)}
    for cidr, nomatch in sorted(want - have):
        found.append(Change(f"set {wanted.name}", "create", f"{'not ' if nomatch else ''}{cidr}"))
        if write:
            api.post(path, cidr=cidr, **({"nomatch": 1} if nomatch else {}))
    for cidr, _ in sorted(have - want):
        found.append(Change(f"set {wanted.name}", "remove", cidr))
        if write:
            api.delete(f"{path}/{cidr}")
    return found
