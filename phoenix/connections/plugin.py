"""Nornir's connection plugins: `phoenix_host` (a session of root on the host) and `phoenix_proxmox` (its API).

Both only hand out what the run's `Links` hold, so that no task opens a connection of another host by itself.
"""

from __future__ import annotations

from typing import Any

from nornir.core.configuration import Config


class Handed:
    """A connection that was made elsewhere and is given by the connection options."""

    connection: Any

    def open(
        self,
        hostname: str | None,
        username: str | None,
        password: str | None,
        port: int | None,
        platform: str | None,
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,
    ) -> None:
        """Take the connection out of the options' `make`."""
        self.connection = (extras or {})["make"]()

    def close(self) -> None:
        """Leave the connection to those who share it."""
