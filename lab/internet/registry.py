"""The image registry of the lab's Internet: the pull part of the Docker Registry HTTP API V2, over HTTPS.

A repository has one manifest, which every tag resolves to.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from phoenix.lab.internet.mirror import InternetServer

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CHUNK = 1 << 16


class ImageStore:
    """Reads blobs by digest and one manifest per repository from a directory that `images.oci` has built."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def repositories(self) -> list[str]:
        """Return the names of all repositories."""
        files = (self._root / "manifests").glob("*/*.json")
        return sorted(f"{path.parent.name}/{path.stem}" for path in files)

    def manifest(self, name: str, reference: str) -> bytes | None:
        """Return a repository's manifest for any tag or for the manifest's own digest, else None."""
        if name not in self.repositories():
            return None
        content = (self._root / "manifests" / f"{name}.json").read_bytes()
        return content if reference in (digest(content), reference.replace(":", "")) else None

    def blob(self, wanted: str) -> Path | None:
        """Return the file of a blob, or None."""
        path = self._root / "blobs" / wanted.replace(":", "-")
        return path if path.is_file() else None


def digest(content: bytes) -> str:
    """Return a content's digest in the registry's notation."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of a `docker pull`."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, *args: Any, store: ImageStore) -> None:
        self._store = store
        super().__init__(*args)

    def log_message(self, *_: Any) -> None:
        """Log no requests."""

    def do_HEAD(self) -> None:
        """Answer like GET, without the content."""
        self._answer()

    def do_GET(self) -> None:
        """Answer a request for the version, tags, a manifest or a blob."""
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if path in ("/v2", "/v2/"):
            self._send(b"{}", "application/json")
        elif match := re.fullmatch(r"/v2/(?P<name>[a-z0-9._/-]+)/tags/list", path):
            self._tags(match["name"])
        elif match := re.fullmatch(r"/v2/(?P<name>[a-z0-9._/-]+)/manifests/(?P<reference>[\w.:-]+)", path):
            content = self._store.manifest(match["name"], match["reference"])
            self._send(content, MANIFEST) if content else self._refuse("MANIFEST_UNKNOWN", "manifest unknown")
        elif match := re.fullmatch(r"/v2/[a-z0-9._/-]+/blobs/(?P<digest>sha256:[0-9a-f]{64})", path):
            file = self._store.blob(match["digest"])
            self._send_file(file, match["digest"]) if file else self._refuse("BLOB_UNKNOWN", "blob unknown")
        else:
            self._refuse("UNSUPPORTED", "the lab's registry only answers pulls")

    def _tags(self, name: str) -> None:
        if name in self._store.repositories():
            self._send(json.dumps({"name": name, "tags": ["latest"]}).encode(), "application/json")
        else:
            self._refuse("NAME_UNKNOWN", "repository name not known to registry")

    def _head(self, status: int, kind: str, length: int, content_digest: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Docker-Content-Digest", content_digest)
        self.end_headers()

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self._head(status, kind, len(content), digest(content))
        if self.command == "GET":
            self.wfile.write(content)

    def _send_file(self, path: Path, content_digest: str) -> None:
        self._head(200, "application/octet-stream", path.stat().st_size, content_digest)
        if self.command == "GET":
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self.wfile.write(chunk)

    def _refuse(self, code: str, message: str) -> None:
        body = {"errors": [{"code": code, "message": message}]}
        self._send(json.dumps(body).encode(), "application/json", 404)


def server(address: str, root: Path, web: Path, port: int = 443) -> InternetServer:
    """Return the registry's HTTPS server; `web` holds its certificate and key."""
    https = InternetServer((address, port), partial(RegistryHandler, store=ImageStore(root)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(web / "server.crt", web / "server.key")
    # Each connection's thread does its own handshake, so that a silent client does not block others.
    https.socket = context.wrap_socket(https.socket, server_side=True, do_handshake_on_connect=False)
    return https
