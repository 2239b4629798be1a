"""Connections as pveproxy keeps and refuses them: idle ones close, and a wrong token gets an empty answer.

Source: pve-http-server, PVE/APIServer/AnyEvent.pm. Recorded: facts `keep-alive` and `bad-token`.
"""

import asyncio
import ssl
from collections.abc import MutableMapping
from typing import Any

from aiohttp import web

from phoenix.lab.pve.model.base import PveModel

_UNAUTHORIZED = 401


class Connections(PveModel):
    """Listens as pveproxy does."""

    idle_limit: float
    """Seconds after which an idle connection is closed."""
    requests_limit: int
    """Requests after which a connection is closed."""
    host: str
    port: int
    served: MutableMapping[asyncio.BaseTransport, int]

    async def start(self, certfile: str, keyfile: str) -> None:
        """Listen on https://host:port with this certificate and key (PEM files)."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certfile, keyfile)
        self.runner = web.AppRunner(self._build_app(), keepalive_timeout=self.idle_limit)
        await self.runner.setup()
        await web.TCPSite(self.runner, self.host, self.port, ssl_context=context).start()
        self.port = self.port or self.runner.addresses[0][1]

    def _build_app(self) -> web.Application:
        app: web.Application = super()._build_app()
        app.middlewares.insert(0, self._count_requests)
        return app

    @web.middleware
    async def _count_requests(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Close a connection with its last answer, and at once if the token is not valid."""
        response: web.StreamResponse = await handler(request)
        if response.status == _UNAUTHORIZED:
            response = web.Response(status=_UNAUTHORIZED, reason=response.reason)
            response.force_close()
        transport = request.transport
        if transport is not None:
            self.served[transport] = self.served.get(transport, 0) + 1
            if self.served[transport] >= self.requests_limit:
                response.force_close()
        return response
