"""Keeps the node's packet filter in line with the firewall configuration, in a loop like pve-firewall's."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from phoenix.lab.pve.command import CommandError, run
from phoenix.lab.pve.packet_filter import nft
from phoenix.lab.pve.packet_filter.compiler import FilterInput, compile_filter

log = logging.getLogger("lab.pve.firewall")

_SWITCH = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_PERIOD = 1.0  # seconds, as are the next two
_PAUSE = 0.1
_TRIAL = 60
BRIDGE = "vmbr0"
READ = Path("/run/phoenix-lab-firewall")
"""Holds the loaded filter's state and the time at which its configuration was read, in seconds since the epoch.

The stand-in for `pve-firewall status` compares that time with the files' to report pending changes.
"""


class Enforcer:
    """Compiles the model's firewall and loads the result whenever its text changes."""

    def __init__(self, read: Callable[[], FilterInput]) -> None:
        self._read = read
        self._loaded: str | None = None
        self._skipped: tuple[str, ...] = ()
        self._busy = asyncio.Lock()
        self._woken = asyncio.Event()
        self._at_once = False

    @staticmethod
    def check() -> None:
        """Turn on filtering of bridged packets; exit if the kernel cannot do it."""
        if not _SWITCH.exists():
            raise SystemExit(f"{_SWITCH} is missing: run `modprobe br_netfilter`; the lab never runs unfiltered")
        _SWITCH.write_text("1\n")

    def wake(self, *, at_once: bool = False) -> None:
        """Signal that the configuration may have changed; ``at_once`` skips the pause that groups several changes."""
        self._at_once = self._at_once or at_once
        self._woken.set()

    async def run(self) -> None:
        """Apply the configuration shortly after each change and once per period, until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._woken.wait(), _PERIOD)
                await asyncio.sleep(0 if self._at_once else _PAUSE)
            except TimeoutError:
                pass
            self._woken.clear()
            self._at_once = False
            try:
                await self.apply()
            except CommandError as error:
                log.error("the filter could not be loaded and is unchanged: %s", error)  # noqa: TRY400 - the reason suffices

    async def apply(self) -> None:
        """Load the filter now if it differs from the loaded one."""
        async with self._busy:
            read_at = time.time()
            source = self._read()
            text = nft.OFF
            if enabled(int(source.cluster["options"].get("enable") or 0), time.time()):
                compiled = compile_filter(source)
                text = nft.render(compiled)
                self._log_skipped(compiled.skipped)
            if text != self._loaded:
                await asyncio.to_thread(run, "nft", "-f", "-", feed=text.encode(), limit=20)
                self._loaded = text
                log.info("filter loaded: %d rules", text.count(" counter "))
            await asyncio.to_thread(READ.write_text, f"{'enabled' if text != nft.OFF else 'disabled'} {read_at}\n")

    def _log_skipped(self, skipped: tuple[str, ...]) -> None:
        for reason in skipped if skipped != self._skipped else ():
            log.warning("%s; skipped", reason)
        self._skipped = skipped


def enabled(value: int, now: float) -> bool:
    """Whether a cluster's ``enable`` means on; a time stamp (a commit-confirm trial) counts for _TRIAL seconds."""
    return value == 1 or now - value < _TRIAL if value else False


def connected_network(device: str = BRIDGE) -> str:
    """Return the node's address and prefix length on a device; raise CommandError if it has none."""
    links = json.loads(run("ip", "-json", "-4", "address", "show", "dev", device, limit=5).out)
    addresses = [a for link in links for a in link.get("addr_info", []) if a["prefixlen"] < 32]  # noqa: PLR2004
    if not addresses:
        raise CommandError(f"{device} has no address, so the node's network is unknown")
    return f"{addresses[0]['local']}/{addresses[0]['prefixlen']}"
