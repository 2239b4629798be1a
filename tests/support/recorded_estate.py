"""The estate of the recordings: the example's without most model servers, on the small disks of the recorded node."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from phoenix.estate import Estate, Guest, Template
from tests.support.inventories import example

MachineT = TypeVar("MachineT", Guest, Template)
DISKS = {"step-ca": 3, "nginx-gateway": 4, "traefik": 3, "ollama": 4, "copy-base": 3, "copy-cuda": 3}
"""Containers and their templates, with their disks in GiB."""
VM, VM_TEMPLATE = "drphoenix", "ubuntu-2404-cloud-template"


@lru_cache(maxsize=2)
def recorded_estate(*, with_vm: bool = False) -> Estate:
    """Return the estate, of which the virtual machine was a part in some runs only."""
    source = example()
    guests = [_small(guest) for guest in source.guests if guest.name in DISKS]
    templates = [_small(template) for template in source.templates if template.name in DISKS]
    if with_vm:
        guests.append(_virtual_machine(source))
        size = {"memory": 1024, "disk": 3}
        templates.append(source.host(VM_TEMPLATE).model_copy(update=size))  # type: ignore[arg-type]  # by its name
    return Estate(
        settings=source.settings, hypervisors=source.hypervisors, guests=tuple(guests), templates=tuple(templates)
    )


def _small(machine: MachineT) -> MachineT:
    return machine.model_copy(update={"disk": DISKS[machine.name]})


def _virtual_machine(source: Estate) -> Guest:
    vm = source.host(VM)
    assert isinstance(vm, Guest)
    services = {name: service for name, service in vm.services.items() if name != "portainer-agent"}
    containers = {name: container for name, container in vm.containers.items() if name != "portainer-agent"}
    groups = tuple(group for group in vm.groups if group != "portainer_agent")
    size = {"memory": 1024, "cores": 2, "disk": 4, "depends_on": (), "persistent_storage": None}
    return vm.model_copy(update={**size, "services": services, "containers": containers, "groups": groups})
