"""Nornir's connection plugin `phoenix_host`: a root shell on a host, through its hypervisor.

All hosts of an inventory share one SSH connection per hypervisor: tasks that ask for it in many threads open it once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nornir.core.configuration import Config

from phoenix.connections.links import Links
from phoenix.connections.shared import borrow_links, return_links
from phoenix.connections.shell import Shell
from phoenix.connections.ssh import ConnectionFailedError


class SharedConnection:
    """The connection of one host. Its options are set by the inventory plugin or by a run, not by users.

    `host` is the host's name. `links` are the connections of a run; without them those of `estate` are shared.
    """

    _make: Callable[[], Shell]
    _give_back: Callable[[], None]

    @property
    def connection(self) -> Shell:
        """The root shell. A virtual machine that was restarted is connected to again."""
        return self._make()

    def open(  # noqa: PLR0917  # Nornir's protocol
        self,
        hostname: str | None,
        username: str | None,  # noqa: ARG002
        password: str | None,  # noqa: ARG002
        port: int | None,  # noqa: ARG002
        platform: str | None,  # noqa: ARG002
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,  # noqa: ARG002
    ) -> None:
        """Connect; raises ConnectionFailedError or AccessError if the host cannot be reached."""
        options = extras or {}
        name = options.get("host")
        if name is None:
            raise ConnectionFailedError(
                f"{hostname}: phoenix_host connects hosts of the inventory plugin phoenix_inventory only; "
                "write `plugin: phoenix_inventory` below `inventory:` in config.yaml"
            )
        links: Links | None = options.get("links")
        self._give_back = (lambda: None) if links else lambda: return_links(options["estate"])
        opened = links or borrow_links(options["estate"])
        self._make = lambda: opened.shell(name)
        try:
            self._make()
        except BaseException:
            self._give_back()
            raise

    def close(self) -> None:
        """Give the connection back; the last host's closes it, unless it belongs to a run."""
        self._give_back()
