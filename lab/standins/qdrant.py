"""Stand-in for Qdrant (image qdrant/qdrant). It says so at /.

Speaks, over HTTP on 6333: GET /, /healthz, /readyz, /livez, /collections, and GET, PUT, DELETE of
/collections/NAME, which are kept as files below /qdrant/storage. 6334 accepts connections and ends them.
"""

from __future__ import annotations

import json
import os
import re
import socketserver
import threading
from pathlib import Path
from typing import Any

from lab.standins.web import Handler, Refusal, start, until_ended

STORAGE = Path(os.environ.get("QDRANT__STORAGE__STORAGE_PATH") or "/qdrant/storage")
HTTP_PORT, GRPC_PORT = 6333, 6334


class Qdrant(Handler):
    """The part of the REST API above."""

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer the paths above."""
        collections = STORAGE / "collections"
        if path == "/":
            return 200, {"title": "qdrant - vector search engine (lab stand-in)", "version": "1.12.0"}
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


class Mute(socketserver.ThreadingTCPServer):
    """Accepts and ends connections."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until ended."""
    start(HTTP_PORT, Qdrant)
    mute = Mute(("", GRPC_PORT), socketserver.BaseRequestHandler)
    threading.Thread(target=mute.serve_forever, daemon=True).start()
    until_ended()


if __name__ == "__main__":
    main()
