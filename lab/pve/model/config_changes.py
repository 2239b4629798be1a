"""Changes of a guest's configuration: applies them to a running guest at once, or reverts them."""

import asyncio
import copy
import re
from typing import Any

from phoenix.lab.pve.command import CommandError
from phoenix.lab.pve.fake import PveError, with_mac
from phoenix.lab.pve.guests.spec import SpecError, parse
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
        for key in [key for key, value in vm.pending.items() if vm.config.get(key) == value]:
            del vm.pending[key]
        await self._hot_plug(vm, before)

    async def _hot_plug(self, guest: Any, before: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Apply a changed configuration to a running guest; restore the old one and raise PveError if that fails."""
        normalize(guest.config)
        try:
            old, new = parse(guest.vmid, self.kind(guest), before[0]), self.spec(guest)
            if old.nics != new.nics:
                await self.filter.apply()
            if old != new and guest.status == "running":
                await asyncio.to_thread(self.runtime.reconfigure, old, new)
        except (CommandError, SpecError) as error:
            guest.config, guest.pending = before
            raise PveError(400, "Parameter verification failed.", {"config": f"hotplug problem - {error}"}) from error
        finally:
            self.save()


def normalize(config: dict[str, Any]) -> None:
    """Normalize tags and description as Proxmox does."""
    if config.get("tags"):
        names = {name.lower() for name in re.split(r"[;,\s]+", str(config["tags"])) if name}
        config["tags"] = ";".join(sorted(names))
    if config.get("description") and not str(config["description"]).endswith("\n"):
        config["description"] = f"{config['description']}\n"
