"""The seam between model and reality: every task and every change of a guest is made true here, or undone.

fakepve's own code runs first and decides (checks, locks, wording); then the guest follows. A guest's status in
the model is what really runs, never what was asked for.
"""

import asyncio
import copy
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lab.pve import exports, state
from lab.pve.enforce import Enforcer
from lab.pve.fake import FakePve, PveError, TaskError, with_mac
from lab.pve.guests import Guests
from lab.pve.rootfs import Rootfs
from lab.pve.run import CommandFailed
from lab.pve.spec import GuestSpec, SpecError, parse

log = logging.getLogger("lab.pve")

_INTEGERS = {"balloon", "cores", "onboot", "protection", "sockets"}
_CREATIONS = ("vzcreate", "qmcreate")
_CLONES = ("vzclone", "qmclone")


class Reality(FakePve):  # type: ignore[misc]  # fakepve ships no types
    """FakePve with real guests: see the module."""

    real: Guests
    filter: Enforcer
    model_file: Path
    root_keys: dict[int, str]

    # ------------------------------------------------------------ what a guest is

    @staticmethod
    def kind(guest: Any) -> str:
        """``vm`` or ``lxc``."""
        return "vm" if hasattr(guest, "qmpstatus") else "lxc"

    def spec(self, guest: Any) -> GuestSpec:
        """The guest as its present configuration describes it."""
        return parse(guest.vmid, self.kind(guest), guest.config)

    def all_guests(self) -> list[Any]:
        """Containers and VMs."""
        return [*self.cts, *self.vms]

    def save(self) -> None:
        """Remember the model."""
        state.save(self.model_file, state.dump(self))

    def see(self, guest: Any, *, running: bool) -> None:
        """Put into the model what really runs."""
        status = "running" if running else "stopped"
        if guest.status != status or (running and guest.started_at is None):
            guest.started_at = time.time() if running else None
        guest.status = status
        pid = self.real.pids.get(guest.vmid) if running else None
        guest.pid = pid
        if self.kind(guest) == "vm":
            guest.qmpstatus = status
        guest.stats = {"pid": pid} if pid else {}

    # ------------------------------------------------------------ tasks

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
        """Start a task whose body is carried out for real; whatever goes wrong ends the task with its reason."""

        async def really() -> str | None:
            try:
                return await self._carry_out(ttype, tid, vm, body)
            except TaskError:
                raise
            except (CommandFailed, SpecError) as error:
                raise TaskError(str(error)) from error
            except Exception as error:
                logging.getLogger("lab.pve").exception("task %s %s failed unexpectedly", ttype, tid)
                raise TaskError(f"{type(error).__name__}: {error}") from error
            finally:
                asyncio.get_running_loop().call_soon(self.save)

        upid: str = await super().task(node, ttype, tid, user, really, vm=vm, lock=lock, log=log)
        return upid

    async def _carry_out(
        self, ttype: str, tid: object, guest: Any, body: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        before = guest.status if guest is not None else ""
        note = await body()
        if guest is None:
            return note
        if self.guest(guest.vmid) is not guest:
            await asyncio.to_thread(self.real.destroy, self.spec(guest))
            self._fw()["guests"].pop(guest.vmid, None)
            self.filter.wake()
            return note
        wanted, guest.status = guest.status, before
        if ttype in _CREATIONS + _CLONES:
            await self._create(guest, self.guest(int(str(tid))) if ttype in _CLONES else None)
        await self._reach(guest, wanted)
        return note

    async def _create(self, guest: Any, original: Any) -> None:
        """Make the files of a new guest; a failure leaves nothing of it behind."""
        source = Rootfs(original.vmid, self.spec(original).unprivileged) if original else None
        locked = [guest, original] if original and self.kind(guest) == "lxc" else [guest]
        for one in locked:
            _lock(one, "create" if one is guest else "disk")
        try:
            spec, keys = self.spec(guest), self.root_keys.pop(guest.vmid, "")
            await asyncio.to_thread(self.real.create, spec, root_keys=keys, original=source)
            _normalise(guest.config)
            self._fw()["guests"].pop(guest.vmid, None)  # a stale file must not await a new guest
        except BaseException:
            self.cts[:] = [ct for ct in self.cts if ct is not guest]
            self.vms[:] = [vm for vm in self.vms if vm is not guest]
            await asyncio.to_thread(Rootfs(guest.vmid, unprivileged=False).remove)
            raise
        finally:
            for one in locked:
                _lock(one, None)

    async def _reach(self, guest: Any, wanted: str) -> None:
        """Start or stop the guest until it is as wanted."""
        try:
            alive = await asyncio.to_thread(self.real.alive, guest.vmid)
            if wanted == "running" and not alive:
                await self.filter.apply()  # rules name the bridge, so they can be there before it is
                await asyncio.to_thread(self.real.start, self.spec(guest))
            elif wanted == "stopped":
                await asyncio.to_thread(self.real.stop, guest.vmid)
        finally:
            self.see(guest, running=await asyncio.to_thread(self.real.alive, guest.vmid))

    async def _ct_powerdown(self, ct: Any, timeout: int, force: object) -> None:  # noqa: ASYNC109 - fakepve's signature
        await self._power_off(ct, timeout, force, "container did not stop")

    async def _powerdown(self, vm: Any, p: dict[str, Any]) -> str | None:
        timeout = int(p.get("timeout") or self.shutdown_default_timeout)
        force = str(p.get("forceStop", "0")) in ("1", "true")
        await self._power_off(vm, timeout, force, "VM quit/powerdown failed - got timeout")
        return None

    async def _power_off(self, guest: Any, patience: int, force: object, complaint: str) -> None:
        if not await asyncio.to_thread(self.real.shutdown, guest.vmid, patience):
            if not force:
                raise TaskError(complaint)
            await asyncio.to_thread(self.real.stop, guest.vmid)
        self.see(guest, running=False)

    # ------------------------------------------------------------ changes of configuration

    async def _update_config(self, ct: Any, user: str, values: Any, deletes: Any, reverts: Any) -> None:
        before = (copy.deepcopy(ct.config), copy.deepcopy(ct.pending))
        await super()._update_config(ct, user, values, deletes, reverts)
        await self._follow(ct, before)

    async def _apply_config(self, vm: Any, user: str, p: dict[str, Any]) -> None:
        before = (copy.deepcopy(vm.config), copy.deepcopy(vm.pending))
        nets = {key: with_mac(value) for key, value in p.items() if re.fullmatch(r"net\d+", key)}
        counts = {key: int(p[key]) for key in _INTEGERS & p.keys() if str(p[key]).isdigit()}
        await super()._apply_config(vm, user, {**p, **nets, **counts})
        for key in [key for key in vm.pending if re.fullmatch(r"net\d+", key) and vm.pending[key]]:
            vm.config[key] = vm.pending.pop(key)  # interfaces are hot-plugged, as PVE does by default
        for key in [key for key, value in vm.pending.items() if vm.config.get(key) == value]:
            del vm.pending[key]
        await self._follow(vm, before)

    async def _follow(self, guest: Any, before: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Make a running guest follow its changed configuration, or put the configuration back."""
        _normalise(guest.config)
        try:
            old, new = parse(guest.vmid, self.kind(guest), before[0]), self.spec(guest)
            if old.nics != new.nics:
                await self.filter.apply()
            if old != new and guest.status == "running":
                await asyncio.to_thread(self.real.reconfigure, old, new)
        except (CommandFailed, SpecError) as error:
            guest.config, guest.pending = before
            raise PveError(400, "Parameter verification failed.", {"config": f"hotplug problem - {error}"}) from error
        finally:
            self.save()

    # ------------------------------------------------------------ what happens by itself

    async def watch(self) -> None:
        """Once a second: see which guests still run, and what is exported to VMs."""
        while True:
            await asyncio.sleep(1)
            try:
                await self._look()
            except Exception:
                log.exception("watching the guests failed; trying again")

    async def _look(self) -> None:
        shared = exports.load()
        for guest in self.all_guests():
            if guest.status != "running" or guest.lock_holder is not None:
                continue
            if not await asyncio.to_thread(self.real.alive, guest.vmid):
                log.info("guest %s is no longer running", guest.vmid)
                await asyncio.to_thread(self.real.stop, guest.vmid)
                self.see(guest, running=False)
                self.save()
            elif self.kind(guest) == "vm":
                await asyncio.to_thread(self.real.share, self.spec(guest), shared)

    async def recover(self) -> None:
        """After a restart: adopt what runs, and start what ran before and shall run at boot."""
        saved = state.load(self.model_file)
        if saved is None:
            return
        state.restore(self, saved)
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


def _lock(guest: Any, lock: str | None) -> None:
    guest.lock = lock
    if lock:
        guest.config["lock"] = lock
    else:
        guest.config.pop("lock", None)


def _normalise(config: dict[str, Any]) -> None:
    """Keep tags and description as Proxmox writes them back."""
    if config.get("tags"):
        names = {name.lower() for name in re.split(r"[;,\s]+", str(config["tags"])) if name}
        config["tags"] = ";".join(sorted(names))
    if config.get("description") and not str(config["description"]).endswith("\n"):
        config["description"] = f"{config['description']}\n"
