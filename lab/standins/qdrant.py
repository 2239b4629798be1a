"""Stand-in for Qdrant (image qdrant/qdrant). Its title at / identifies it as a stand-in.

Implements, over HTTP on 6333: GET /, /healthz, /readyz, /livez, /collections, and GET, PUT, DELETE of
/collections/NAME, stored as files below /qdrant/storage. Over gRPC on 6334: HealthCheck of qdrant.Qdrant, and Check and
Watch of grpc.health.v1.Health.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from phoenix.lab.standins.grpc import GrpcMethod, serve
from phoenix.lab.standins.web import Refusal, StandInHandler, start, until_ended

STORAGE = Path(os.environ.get("QDRANT__STORAGE__STORAGE_PATH") or "/qdrant/storage")
HTTP_PORT, GRPC_PORT = 6333, 6334
TITLE, VERSION = "qdrant - vector search engine (lab stand-in)", "1.12.0"


class Qdrant(StandInHandler):
    """Qdrant's REST API, as far as the module's list goes."""

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer a path of the module's list."""
        collections = STORAGE / "collections"
        if path == "/":
            return 200, {"title": TITLE, "version": VERSION}
        if path in ("/healthz", "/readyz", "/livez"):
            return 200, b"healthz check passed"
        if path == "/collections":
            return 200, self._result({"collections": [{"name": p.stem} for p in sorted(collections.glob("*.json"))]})
        if match := re.fullmatch(r"/collections/([\w-]+)", path):
            return self._collection(method, collections / f"{match[1]}.json")
        raise Refusal(404, "not found")

    def _collection(self, method: str, file: Path) -> tuple[int, Any]:
        if method == "PUT":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(self.json()))
        elif not file.exists():
            raise Refusal(404, f"Not found: Collection `{file.stem}` doesn't exist!")
        elif method == "DELETE":
            file.unlink()
        else:
            return 200, self._result({"status": "green", "config": {"params": json.loads(file.read_text())}})
        return 200, self._result(result=True)

    @staticmethod
    def _result(result: Any) -> dict[str, Any]:
        return {"result": result, "status": "ok", "time": 0.0}


def text(field: int, value: str) -> bytes:
    """Encode a string field (Protocol Buffers encoding, "Length-Delimited Records")."""
    return bytes([field << 3 | 2, len(value)]) + value.encode()


SERVING = b"\x08\x01"
METHODS = {
    "/qdrant.Qdrant/HealthCheck": GrpcMethod(text(1, TITLE) + text(2, VERSION)),
    "/grpc.health.v1.Health/Check": GrpcMethod(SERVING),
    "/grpc.health.v1.Health/Watch": GrpcMethod(SERVING, stays_open=True),
}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    start(HTTP_PORT, Qdrant)
    serve(GRPC_PORT, METHODS)
    until_ended()


if __name__ == "__main__":
    main()
