"""Guests of the inventory that are missing on their node, and on which other node of the cluster they are. Pure.

Source: Proxmox VE API, GET /cluster/resources. It lists statistics, so that a guest that was just removed may be in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from phoenix.derive.ownership import owns
from phoenix.estate import Estate, Hypervisor
from phoenix.estate.model import Machine
from phoenix.pve.guests import split_tags

MIGRATE = {"lxc": "pct", "vm": "qm"}


def moved_guests(
    estate: Estate, hypervisor: Hypervisor, absent: Iterable[Machine], listed: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Name the machines whose vmid is in use on another node of the cluster."""
    elsewhere = {int(entry["vmid"]): entry for entry in listed if entry.get("node") != hypervisor.node}
    for machine in absent:
        if entry := elsewhere.get(machine.vmid):
            yield _problem(estate, hypervisor, machine, str(entry["node"]), entry)


def _problem(estate: Estate, hypervisor: Hypervisor, machine: Machine, node: str, entry: Mapping[str, Any]) -> str:
    if not owns(estate, machine.vmid, split_tags(entry.get("tags"))):
        name = f" {entry['name']!r}" if entry.get("name") else ""
        return f"vmid {machine.vmid} is a guest{name} on the node {node}: give {machine.name} another vmid"
    there = next((host.name for host in estate.hypervisors if host.node == node), "")
    correct = f"correct `hypervisor` to {there}" if there else "declare that node and correct `hypervisor`"
    return (
        f"guest {machine.vmid} {machine.name} is on the node {node}, and not on {hypervisor.node}: {correct}, or move "
        f"it back with `{MIGRATE[machine.kind]} migrate {machine.vmid} {hypervisor.node}`"
    )
