"""Nornir's connection plugin `phoenix_host`: a session of root on the host.

It only hands out what the run's `Links` hold, so that no task opens a connection of another host by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nornir.core.configuration import Config


class SharedConnection:
    """A connection that is made elsewhere; asked for anew each time, since a guest may have been started meanwhile."""

    _make: Callable[[], Any]

    @property
    def connection(self) -> Any:
        """The connection as it is now."""
        return self._make()

    def open(  # noqa: PLR0917  # Nornir's protocol
        self,
        hostname: str | None,  # noqa: ARG002
        username: str | None,  # noqa: ARG002
        password: str | None,  # noqa: ARG002
        port: int | None,  # noqa: ARG002
        platform: str | None,  # noqa: ARG002
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,  # noqa: ARG002
    ) -> None:
        """Take the options' `make`."""
        self._make = (extras or {})["make"]

    def close(self) -> None:
        """Leave the connection to those who share it."""
