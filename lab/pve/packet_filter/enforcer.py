"""Keep the node's packet filter as the firewall configuration says: a loop, as the real daemon has one."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from phoenix.lab.pve.command import CommandFailed, run
from phoenix.lab.pve.packet_filter import nft
from phoenix.lab.pve.packet_filter.compiler import FilterInput, compile_filter

log = logging.getLogger("lab.pve.firewall")

_SWITCH = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_PERIOD = 1.0
_PAUSE = 0.1
_TRIAL = 60
BRIDGE = "vmbr0"
READ = Path("/run/phoenix-lab-firewall")
"""When what is in force was read, in seconds since the epoch: `pve-firewall status` tells by it what is pending."""


class Enforcer:
    """Renders the model's firewall and loads it whenever the text differs."""

    def __init__(self, read: Callable[[], FilterInput]) -> None:
        self._read = read
        self._loaded: str | None = None
        self._complaints: tuple[str, ...] = ()
        self._busy = asyncio.Lock()
        self._woken = asyncio.Event()
        self._at_once = False

    @staticmethod
    def check() -> None:
        """Refuse to work unfiltered: bridged packets must reach the filter."""
        if not _SWITCH.exists():
            raise SystemExit(f"{_SWITCH} is missing: load br_netfilter; the lab never runs unfiltered")
        _SWITCH.write_text("1\n")

    def wake(self, *, at_once: bool = False) -> None:
        """Say that the configuration may have changed."""
        self._at_once = self._at_once or at_once
        self._woken.set()

    async def run(self) -> None:
        """Apply for ever: soon after a change, and once a period."""
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
            except CommandFailed as error:
                log.error("the filter could not be loaded and stays as it was: %s", error)  # noqa: TRY400 - reason suffices

    async def apply(self) -> None:
        """Load the filter now, if it differs from what is loaded."""
        async with self._busy:
            begun = time.time()
            given = self._read()
            text = nft.OFF
            if enabled(int(given.cluster["options"].get("enable") or 0), time.time()):
                wanted = compile_filter(given)
                text = nft.render(wanted)
                self._complain(wanted.skipped)
            if text != self._loaded:
                await asyncio.to_thread(run, "nft", "-f", "-", feed=text.encode(), limit=20)
                self._loaded = text
                log.info("filter loaded: %d rules", text.count(" counter "))
            await asyncio.to_thread(READ.write_text, f"{'enabled' if text != nft.OFF else 'disabled'} {begun}\n")

    def _complain(self, skipped: tuple[str, ...]) -> None:
        for reason in skipped if skipped != self._complaints else ():
            log.warning("%s; skipped", reason)
        self._complaints = skipped


def enabled(value: int, now: float) -> bool:
    """Whether a cluster ``enable`` means on: a time stamp (commit-confirm's first half) counts for a minute."""
    return value == 1 or now - value < _TRIAL if value else False


def connected_network(device: str = BRIDGE) -> str:
    """The network the node itself is in."""
    found = json.loads(run("ip", "-json", "-4", "address", "show", "dev", device, limit=5).out)
    addresses = [a for link in found for a in link.get("addr_info", []) if a["prefixlen"] < 32]  # noqa: PLR2004
    if not addresses:
        raise CommandFailed(f"{device} has no address; the node's own network cannot be told")
    return f"{addresses[0]['local']}/{addresses[0]['prefixlen']}"
