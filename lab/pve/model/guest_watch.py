"""Follows changes that no request makes: guests that end, NFS exports that change, and a restart of the server."""

import asyncio
import logging
from typing import Any

from phoenix.lab.pve.command import CommandError
from phoenix.lab.pve.guests import nfs_exports
from phoenix.lab.pve.guests.spec import SpecError
from phoenix.lab.pve.model import saved_state
from phoenix.lab.pve.model.guest_tasks import GuestTasks

log = logging.getLogger("lab.pve")


class GuestWatch(GuestTasks):
    """The loop beside the API, and the recovery before it."""

    async def watch(self) -> None:
        """Once a second, update the status of guests and the exports mounted in VMs."""
        while True:
            await asyncio.sleep(1)
            try:
                await self._check_guests()
            except Exception:
                log.exception("checking the guests failed; retrying in 1 s")

    async def _check_guests(self) -> None:
        table = nfs_exports.load()
        for guest in self.all_guests():
            if _settled(guest):
                try:
                    await self._check_guest(guest, table)
                except CommandError as error:
                    log.warning("guest %s: %s", guest.vmid, error)

    async def _check_guest(self, guest: Any, table: tuple[nfs_exports.NfsExport, ...]) -> None:
        alive = await asyncio.to_thread(self.runtime.alive, guest.vmid)
        if not _settled(guest):
            return  # a task has started meanwhile and sets the status itself
        if alive:
            self.update_status(guest, running=True)
            if self.kind(guest) == "vm":
                await asyncio.to_thread(self.runtime.share, self.spec(guest), table)
            return
        log.info("guest %s is no longer running", guest.vmid)
        await self.acquire(guest, "watch", wait=0)
        try:
            await asyncio.to_thread(self.runtime.stop, guest.vmid)
            self.update_status(guest, running=False)
        finally:
            self.release(guest, "watch")
        self.save()

    async def recover(self) -> None:
        """Load the saved model; adopt running guests and start those that ran before and have ``onboot`` set."""
        saved = saved_state.load(self.model_file)
        if saved is None:
            return
        saved_state.restore(self, saved)
        await self.filter.apply()
        await asyncio.gather(*(self._recover_guest(guest, saved) for guest in self.all_guests()))
        self.save()

    async def _recover_guest(self, guest: Any, saved: dict[str, Any]) -> None:
        ran = saved["guests"][str(guest.vmid)]["status"] == "running"
        alive = await asyncio.to_thread(self.runtime.alive, guest.vmid)
        self.update_status(guest, running=alive)
        if alive or not (ran and self.spec(guest).onboot):
            return
        try:
            await self._set_power_state(guest, "running")
        except (CommandError, SpecError) as error:
            log.error("guest %s does not restart: %s", guest.vmid, error)  # noqa: TRY400 - the message suffices


def _settled(guest: Any) -> bool:
    """Whether the model has the guest running and no task holds its lock."""
    return guest.status == "running" and guest.lock_holder is None
