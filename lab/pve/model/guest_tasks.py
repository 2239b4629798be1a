"""Carries out the tasks of guests: create, clone, start, stop and destroy act on real guests here.

fakepve's own code runs first (checks, locks, messages) and changes the model; then this module changes the guest. The
status in the model is always the guest's real state, not the requested one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from phoenix.lab.pve.command import CommandError
from phoenix.lab.pve.fake import PveError, TaskError
from phoenix.lab.pve.guests.rootfs import Rootfs
from phoenix.lab.pve.guests.spec import SpecError
from phoenix.lab.pve.model.config_changes import normalize
from phoenix.lab.pve.model.drives import Drives

_CREATIONS = ("vzcreate", "qmcreate")
_CLONES = ("vzclone", "qmclone")
_POLL_INTERVAL = 0.01  # seconds


class GuestTasks(Drives):
    """Extends fakepve's tasks with their effects on real guests."""

    async def task(  # noqa: PLR0917 - fakepve's signature
        self,
        node: str,
        ttype: str,
        tid: object,
        user: str,
        body: Callable[[], Awaitable[str | None]],
        vm: Any = None,
        lock: bool = True,  # noqa: FBT001, FBT002 - fakepve's signature
        log: tuple[str, ...] | list[str] = (),
    ) -> str:
        """Start a task that also acts on the real guest; any error ends the task with its message."""

        async def body_with_effects() -> str | None:
            try:
                return await self._apply_task(ttype, tid, vm, body)
            except TaskError:
                raise
            except (CommandError, SpecError) as error:
                raise TaskError(str(error)) from error
            except Exception as error:
                logging.getLogger("lab.pve").exception("task %s %s failed unexpectedly", ttype, tid)
                raise TaskError(f"{type(error).__name__}: {error}") from error
            finally:
                asyncio.get_running_loop().call_soon(self.save)

        upid: str = await super().task(node, ttype, tid, user, body_with_effects, vm=vm, lock=lock, log=log)
        return upid

    async def _apply_task(
        self, ttype: str, tid: object, guest: Any, body: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        before = guest.status if guest is not None else ""
        note = await body()
        if guest is None:
            return note
        if self.guest(guest.vmid) is not guest:
            await asyncio.to_thread(self.runtime.destroy, self.spec(guest))
            self._fw()["guests"].pop(guest.vmid, None)
            self.cloud_init.pop(guest.vmid, None)
            self.filter.wake()
            return note
        wanted, guest.status = guest.status, before
        if ttype in _CREATIONS + _CLONES:
            await self._create(guest, self.guest(int(str(tid))) if ttype in _CLONES else None)
        await self._set_power_state(guest, wanted)
        return note

    async def _lxc_template(self, user: str, v: dict[str, Any]) -> None:
        """Convert a container to a template before answering: unlike that of a VM, this is no task."""
        upid = await super()._lxc_template(user, v)
        record = self.tasks[upid]
        while record["status"] == "running":  # noqa: ASYNC110 - fakepve signals no end of a task
            await asyncio.sleep(_POLL_INTERVAL)
        del self.tasks[upid]
        self.tasklog.remove(record)
        if record["exitstatus"] != "OK":
            raise PveError(500, record["exitstatus"])

    async def _create(self, guest: Any, original: Any) -> None:
        """Create the files of a new guest; remove them and the guest if that fails."""
        source = Rootfs(original.vmid, self.spec(original).unprivileged) if original else None
        locked = [guest, original] if original and self.kind(guest) == "lxc" else [guest]
        for one in locked:
            _lock(one, "create" if one is guest else "disk")
        try:
            if original is not None and self.kind(guest) == "lxc":
                self._check_storages(guest)
            elif original is not None:
                self.own_cloud_init_drive(guest)
            spec, keys = self.spec(guest), self.root_keys.pop(guest.vmid, "")
            await asyncio.to_thread(self.runtime.create, spec, root_keys=keys, original=source)
            normalize(guest.config, is_container=self.kind(guest) == "lxc")
            self._fw()["guests"].pop(guest.vmid, None)  # a stale firewall file must not apply to a new guest
        except BaseException as error:
            await self._discard(guest)
            if isinstance(error, CommandError | SpecError):
                what = "clone failed:" if original else f"unable to create {self._title(guest)} -"
                raise TaskError(f"{what} {error}") from error
            raise
        finally:
            for one in locked:
                _lock(one, None)

    async def _discard(self, guest: Any) -> None:
        self.cts[:] = [ct for ct in self.cts if ct is not guest]
        self.vms[:] = [vm for vm in self.vms if vm is not guest]
        self.free_drives(guest)
        await asyncio.to_thread(Rootfs(guest.vmid, unprivileged=False).remove)

    def _title(self, guest: Any) -> str:
        return f"{'VM' if self.kind(guest) == 'vm' else 'CT'} {guest.vmid}"

    def _check_storages(self, guest: Any) -> None:
        """Raise CommandError if a volume of a cloned container is on a storage that does not take any."""
        for _, mount in guest.volumes():
            storage = mount["volume"].partition(":")[0]
            if "rootdir" not in self.storages[storage]["content"].split(","):
                what = "content type 'rootdir' is not available or configured"
                raise CommandError(f"{what} on storage '{storage}'")

    async def _set_power_state(self, guest: Any, wanted: str) -> None:
        """Start or stop a guest if it is not in the wanted state, ``running`` or ``stopped``."""
        try:
            alive = await asyncio.to_thread(self.runtime.alive, guest.vmid)
            if wanted == "running" and not alive:
                await self.filter.apply()  # rules match a bridge by name, so they can precede it
                self.cloud_init.pop(guest.vmid, None)
                await asyncio.to_thread(self.runtime.start, self.spec(guest))
            elif wanted == "stopped":
                await asyncio.to_thread(self.runtime.stop, guest.vmid)
        finally:
            self.update_status(guest, running=await asyncio.to_thread(self.runtime.alive, guest.vmid))

    async def _ct_powerdown(self, ct: Any, timeout: int, force: object) -> None:  # noqa: ASYNC109 - fakepve's signature
        await self._power_off(ct, timeout, force, "container did not stop")

    async def _powerdown(self, vm: Any, p: dict[str, Any]) -> str | None:
        timeout = int(p.get("timeout") or self.shutdown_default_timeout)
        force = str(p.get("forceStop", "0")) in ("1", "true")
        await self._power_off(vm, timeout, force, "VM quit/powerdown failed - got timeout")
        return None

    async def _power_off(self, guest: Any, timeout: int, force: object, message: str) -> None:  # noqa: ASYNC109 - the API's parameter
        if not await asyncio.to_thread(self.runtime.shutdown, guest.vmid, timeout):
            if not force:
                raise TaskError(message)
            await asyncio.to_thread(self.runtime.stop, guest.vmid)
        self.update_status(guest, running=False)


def _lock(guest: Any, lock: str | None) -> None:
    guest.lock = lock
    if lock:
        guest.config["lock"] = lock
    else:
        guest.config.pop("lock", None)
