"""Changes of a guest's configuration: applies them to a running guest at once, or reverts them."""

import asyncio
import copy
import re
from typing import Any

from phoenix.lab.pve.command import CommandError
from phoenix.lab.pve.fake import PveError, with_mac
from phoenix.lab.pve.guests.spec import GuestSpec, SpecError
from phoenix.lab.pve.model.base import PveModel

_INTEGERS = {"balloon", "cores", "onboot", "protection", "sockets"}


class ConfigChanges(PveModel):
    """Extends fakepve's changes of ``config`` for containers and VMs."""

    async def _update_config(self, ct: Any, user: str, values: Any, deletes: Any, reverts: Any) -> None:
        before = (copy.deepcopy(ct.config), copy.deepcopy(ct.pending))
        await super()._update_config(ct, user, values, deletes, reverts)
        await self._hot_plug(ct, before)

    async def _apply_config(self, vm: Any, user: str, p: dict[str, Any]) -> None:
        before = (copy.deepcopy(vm.config), copy.deepcopy(vm.pending))
        nets = {key: with_mac(value) for key, value in p.items() if re.fullmatch(r"net\d+", key)}
        counts = {key: int(p[key]) for key in _INTEGERS & p.keys() if str(p[key]).isdigit()}
        await super()._apply_config(vm, user, {**p, **nets, **counts})
        for key in [key for key in vm.pending if re.fullmatch(r"net\d+", key) and vm.pending[key]]:
            vm.config[key] = vm.pending.pop(key)  # Proxmox hot-plugs interfaces by default
        self.cloud_init[vm.vmid].change(vm.config, vm.pending)
        for key in [key for key, value in vm.pending.items() if vm.config.get(key) == value]:
            del vm.pending[key]
        await self._hot_plug(vm, before)

    async def _hot_plug(self, guest: Any, before: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Apply a changed configuration to a running guest; restore the old one and raise PveError if that fails."""
        normalize(guest.config, is_container=self.kind(guest) == "lxc")
        try:
            old, new = self._parse(guest, before[0]), self.spec(guest)
            self._check_bridges(guest, new)
            if old.nics != new.nics:
                await self.filter.apply()
            if old != new and guest.status == "running":
                await asyncio.to_thread(self.runtime.reconfigure, old, new)
        except PveError:
            guest.config, guest.pending = before
            raise
        except (CommandError, SpecError) as error:
            guest.config, guest.pending = before
            raise PveError(400, "Parameter verification failed.", {"config": f"hotplug problem - {error}"}) from error
        finally:
            self.save()

    def _check_bridges(self, guest: Any, spec: GuestSpec) -> None:
        """Raise PveError if a running container gets an interface on a bridge that does not exist."""
        for nic in spec.nics if guest.status == "running" and not spec.is_vm else ():
            if not self.runtime.has_bridge(nic.bridge):
                key = f"net{nic.index}"
                reason = f"unable to hotplug {key}: interface {nic.bridge} does not exist\n\n"
                raise PveError(400, "Parameter verification failed.", {key: reason})


def normalize(config: dict[str, Any], *, is_container: bool) -> None:
    """Normalize tags, and the description of a container, as Proxmox does."""
    if config.get("tags"):
        names = {name.lower() for name in re.split(r"[;,\s]+", str(config["tags"])) if name}
        config["tags"] = ";".join(sorted(names))
    if is_container and config.get("description") and not str(config["description"]).endswith("\n"):
        config["description"] = f"{config['description']}\n"
