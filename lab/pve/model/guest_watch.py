"""What happens by itself: guests die, exports change, and after a restart everything is found again."""

import asyncio
import logging
from typing import Any

from phoenix.lab.pve.command import CommandFailed
from phoenix.lab.pve.guests import nfs_exports
from phoenix.lab.pve.guests.spec import SpecError
from phoenix.lab.pve.model import saved_state
from phoenix.lab.pve.model.guest_tasks import GuestTasks

log = logging.getLogger("lab.pve")


class GuestWatch(GuestTasks):
    """The loop beside the API, and its beginning."""

    async def watch(self) -> None:
        """Once a second: see which guests still run, and what is exported to VMs."""
        while True:
            await asyncio.sleep(1)
            try:
                await self._look()
            except Exception:
                log.exception("watching the guests failed; trying again")

    async def _look(self) -> None:
        table = nfs_exports.load()
        for guest in self.all_guests():
            if _settled(guest):
                try:
                    await self._look_at(guest, table)
                except CommandFailed as error:
                    log.warning("guest %s: %s", guest.vmid, error)

    async def _look_at(self, guest: Any, table: tuple[nfs_exports.NfsExport, ...]) -> None:
        alive = await asyncio.to_thread(self.real.alive, guest.vmid)
        if not _settled(guest):
            return  # a task began meanwhile, and knows better
        if alive:
            self.see(guest, running=True)
            if self.kind(guest) == "vm":
                await asyncio.to_thread(self.real.share, self.spec(guest), table)
            return
        log.info("guest %s is no longer running", guest.vmid)
        await self.acquire(guest, "watch", wait=0)
        try:
            await asyncio.to_thread(self.real.stop, guest.vmid)
            self.see(guest, running=False)
        finally:
            self.release(guest, "watch")
        self.save()

    async def recover(self) -> None:
        """After a restart: adopt what runs, and start what ran before and shall run at boot."""
        saved = saved_state.load(self.model_file)
        if saved is None:
            return
        saved_state.restore(self, saved)
        await self.filter.apply()
        await asyncio.gather(*(self._revive(guest, saved) for guest in self.all_guests()))
        self.save()

    async def _revive(self, guest: Any, saved: dict[str, Any]) -> None:
        ran = saved["guests"][str(guest.vmid)]["status"] == "running"
        alive = await asyncio.to_thread(self.real.alive, guest.vmid)
        self.see(guest, running=alive)
        if alive or not (ran and self.spec(guest).onboot):
            return
        try:
            await self._reach(guest, "running")
        except (CommandFailed, SpecError) as error:
            log.error("guest %s does not start again: %s", guest.vmid, error)  # noqa: TRY400 - the reason is enough


def _settled(guest: Any) -> bool:
    """Whether the guest should be running and no task is at work on it."""
    return guest.status == "running" and guest.lock_holder is None
