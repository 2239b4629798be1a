"""Whom the API knows, and what they may do: the token, and root through the node's own socket."""

import socket
from typing import Any

from aiohttp import web

from phoenix.lab.pve.fake import PveError
from phoenix.lab.pve.model.base import PveModel
from phoenix.lab.pve.role import name_in_8

_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
"""The paths that the API always lists permissions of."""
_UNAUTHORIZED = 401


class Access(PveModel):
    """Authentication and permissions."""

    def _authenticate(self, request: web.Request) -> str | None:
        connection = request.transport.get_extra_info("socket") if request.transport else None
        if connection is not None and connection.family == socket.AF_UNIX:
            return "root@pam"
        try:
            user: str | None = super()._authenticate(request)
        except PveError as error:
            if request.headers.get("Authorization", "").startswith("PVEAPIToken="):
                raise PveError(_UNAUTHORIZED, "Authentication failed!") from error
            raise
        return user

    def allowed(self, user: str, path: str, priv: str) -> bool:
        """Whether a user has a privilege; a privilege-separated token needs it for itself and for its user."""
        names = {user, user.partition("!")[0]}
        return all(super(Access, self).allowed(name, path, name_in_8(priv)) for name in names)

    async def _permissions(self, v: dict[str, Any], user: str) -> dict[str, Any]:
        held: dict[str, Any] = await super()._permissions(v, user)
        paths = dict.fromkeys((*_PATHS, *held)) if v.get("path") is None else held
        return {path: {**held.get("/", {}), **held.get(path, {})} for path in paths}

    def _task_view(self, task: dict[str, Any], listing: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - fakepve's signature
        data: dict[str, Any] = super()._task_view(task, listing)
        return {**data, "user": data["user"].partition("!")[0]}
