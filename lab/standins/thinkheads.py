"""Stand-in for the estate's own application (image thinkheads/thinkheads_ai_app). It says so at /.

Speaks, over HTTP on 8000 or the port in API_PORT: GET / and /health.
"""

from __future__ import annotations

import os
from typing import Any

from lab.standins.web import Handler, Refusal, start, until_ended

PORT = 8000


class Application(Handler):
    """The two paths."""

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer the paths above."""
        if method in ("GET", "HEAD") and path == "/":
            return 200, {"app": "thinkheads_ai_app (lab stand-in)"}
        if method in ("GET", "HEAD") and path == "/health":
            return 200, {"status": "ok"}
        raise Refusal(404, "not found")


def main() -> None:
    """Serve until ended."""
    start(int(os.environ.get("API_PORT") or PORT), Application)
    until_ended()


if __name__ == "__main__":
    main()
