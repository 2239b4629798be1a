"""Stand-in for Portainer (image portainer/portainer-ce). Its web page identifies it as a stand-in.

Implements, over HTTPS on 9443 and HTTP on 9000: /api/status, /api/system/status, /api/users/admin/check and
/init, /api/auth, /api/tags, /api/endpoints with agent environments only, /api/upload/tls, and
/api/endpoints/ID/docker/…, which it passes on to the agent. It connects to the agent over TLS as the real one does:
with the environment's client certificate, verifying the agent's name and CA unless the environment skips that.
Takes --sslcert, --sslkey, --admin-password-file, --data, --http-disabled; ignores the other options.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

from phoenix.lab.standins.agent_client import AgentError, get
from phoenix.lab.standins.portainer_store import FILES, PortainerStore, parse_bool
from phoenix.lab.standins.web import Refusal, StandInHandler, self_signed, start, until_ended

VERSION = "2.21.0"
PAGE = b"<!doctype html><title>Portainer (lab stand-in)</title><p>Portainer (lab stand-in)\n"
AGENT_ENVIRONMENT = "2"
ENVIRONMENT = re.compile(r"/api/endpoints/(\d+)(/docker(/.*))?")
UPLOAD = re.compile(r"/api/upload/tls/(ca|cert|key)")


class Portainer(StandInHandler):
    """Portainer's API, as far as the module's list goes."""

    store: PortainerStore

    def extra_headers(self) -> dict[str, str]:
        """Return the header that identifies the stand-in."""
        return {"Lab-Stand-In": "portainer"}

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer paths that need no session; require a session for all others."""
        if path in ("/api/status", "/api/system/status"):
            return 200, {"Version": VERSION, "InstanceID": self.store.instance}
        if path == "/api/users/admin/check":
            return (204, None) if self.store.has_admin else (404, {"message": "No administrator account found"})
        if (method, path) == ("POST", "/api/users/admin/init"):
            return self._init()
        if (method, path) == ("POST", "/api/auth"):
            return self._sign_in()
        if not path.startswith("/api/"):
            return 200, PAGE
        if not self.store.session(self.headers.get("Authorization", "").removeprefix("Bearer ")):
            raise Refusal(401, "A valid authorization token is missing", "Unauthorized")
        return self._signed_in(method, path)

    def _credentials(self) -> tuple[str, str]:
        fields = {key.lower(): str(value) for key, value in self.json().items()}
        return fields.get("username", ""), fields.get("password", "")

    def _init(self) -> tuple[int, Any]:
        if self.store.has_admin:
            raise Refusal(409, "Unable to create administrator user", "An administrator user already exists")
        name, password = self._credentials()
        self.store.set_admin(name, password)
        return 200, {"Id": 1, "Username": name, "Role": 1}

    def _sign_in(self) -> tuple[int, Any]:
        name, password = self._credentials()
        if not self.store.check_admin(name, password):
            time.sleep(0.3)  # slows down password guessing
            raise Refusal(422, "Invalid credentials", "Unauthorized")
        return 200, {"jwt": self.store.new_session(name)}

    def _signed_in(self, method: str, path: str) -> tuple[int, Any]:
        if path == "/api/endpoints" and method == "GET":
            return 200, [self._as_json(environment) for environment in self.store.environments()]
        if path == "/api/endpoints" and method == "POST":
            return self._create()
        if path == "/api/tags" and method == "GET":
            return 200, self.store.tags()
        if path == "/api/tags" and method == "POST":
            return 200, self.store.create_tag(str(self.json().get("Name", "")))
        if match := UPLOAD.fullmatch(path):
            form = self.form()
            self.store.write_file(form.get("folder", "0"), match[1], form.get("file", ""))
            return 204, None
        if match := ENVIRONMENT.fullmatch(path):
            return self._environment(method, int(match[1]), match[3])
        raise Refusal(404, f"the lab's Portainer does not implement {method} {path}")

    def _environment(self, method: str, number: int, docker: str | None) -> tuple[int, Any]:
        environment = self.store.environment(number)
        if environment is None:
            raise Refusal(404, "Unable to find an environment with the specified identifier inside the database")
        if docker:
            return self._proxy(environment, docker, method)
        if method == "PUT":
            self.store.update(number, self.form())
            return 200, self._as_json(self.store.environment(number) or {})
        if method == "DELETE":
            self.store.delete(number)
            return 204, None
        return 200, self._as_json(environment)

    def _create(self) -> tuple[int, Any]:
        form = self.form()
        if not form.get("Name") or not form.get("URL"):
            raise Refusal(400, "Invalid request payload", "Invalid environment name or URL")
        if form.get("EndpointCreationType") != AGENT_ENVIRONMENT:
            raise Refusal(501, "the lab's Portainer creates agent environments only (EndpointCreationType=2)")
        if any(existing["Name"] == form["Name"] for existing in self.store.environments()):
            raise Refusal(409, "Unable to create environment", "An environment with the same name already exists")
        environment = self.store.create(form)
        try:
            get(environment, self.store.files(environment["Id"]), "/ping")
        except AgentError as error:
            self.store.delete(environment["Id"])
            raise Refusal(500, "Unable to initiate communications with environment", str(error)) from error
        return 200, self._as_json(environment)

    def _proxy(self, environment: dict[str, Any], path: str, method: str) -> tuple[int, Any]:
        if method not in ("GET", "HEAD"):
            raise Refusal(501, "the lab's Portainer passes only GET and HEAD on to Docker")
        try:
            return get(environment, self.store.files(environment["Id"]), path)
        except AgentError as error:
            raise Refusal(502, "Unable to proxy the request to the environment", str(error)) from error

    @staticmethod
    def _as_json(environment: dict[str, Any]) -> dict[str, Any]:
        keys = ("Id", "Name", "Type", "URL", "Status", "GroupId", "PublicURL", "TagIds")
        fields = {key: environment.get(key) for key in keys}
        present = environment.get("files", ())
        config = {
            "TLS": parse_bool(environment.get("TLS")),
            "TLSSkipVerify": parse_bool(environment.get("TLSSkipVerify")),
        }
        return {**fields, "TLSConfig": config | {field: kind in present for field, kind in FILES.items()}}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sslcert", type=Path)
    parser.add_argument("--sslkey", type=Path)
    parser.add_argument("--admin-password-file", type=Path)
    parser.add_argument("--data", type=Path, default=Path("/data"))
    parser.add_argument("--http-disabled", action="store_true")
    options, _ = parser.parse_known_args()
    Portainer.store = PortainerStore(options.data)
    if options.admin_password_file and not Portainer.store.has_admin:
        Portainer.store.set_admin("admin", options.admin_password_file.read_text().rstrip("\n"))
    tls = (options.sslcert, options.sslkey) if options.sslcert else self_signed(options.data / "certs", "localhost")
    start(9443, Portainer, tls)
    if not options.http_disabled:
        start(9000, Portainer)
    until_ended()


if __name__ == "__main__":
    main()
