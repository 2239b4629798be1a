"""The image registry of the lab's Internet implements pulls."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from phoenix.lab.images import webpki
from phoenix.lab.internet import registry

pytestmark = pytest.mark.timeout(30)
NAME = "portainer/agent"
BLOB = b"a layer"
BLOB_DIGEST = "sha256:" + hashlib.sha256(BLOB).hexdigest()
MANIFEST = json.dumps({"schemaVersion": 2}).encode()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Serve a registry with one image; return its URL and a client's TLS settings."""
    root = tmp_path_factory.mktemp("registry")
    (root / "blobs").mkdir()
    (root / "blobs" / BLOB_DIGEST.replace(":", "-")).write_bytes(BLOB)
    (root / "manifests/portainer").mkdir(parents=True)
    (root / "manifests/portainer/agent.json").write_bytes(MANIFEST)
    webpki.create(root / "web")
    context = ssl.create_default_context(cafile=str(root / "web/ca.crt"))
    context.check_hostname = False  # the test connects to an IP address
    with registry.server("127.0.0.1", root, root / "web", port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}", context
        server.shutdown()


def get(base: tuple[str, ssl.SSLContext], path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    """Return a response's status, content and headers."""
    request = urllib.request.Request(base[0] + path, method=method)
    try:
        with urllib.request.urlopen(request, context=base[1], timeout=10) as response:
            return response.status, response.read(), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


@pytest.mark.parametrize("reference", ["latest", "2.21.5", registry.digest(MANIFEST)])
def test_manifest(base: tuple[str, ssl.SSLContext], reference: str) -> None:
    """Any tag and the manifest's own digest resolve to the manifest, with that digest in a header."""
    status, content, headers = get(base, f"/v2/{NAME}/manifests/{reference}")
    assert (status, content) == (200, MANIFEST)
    assert headers["Docker-Content-Digest"] == registry.digest(MANIFEST)


def test_blob(base: tuple[str, ssl.SSLContext]) -> None:
    """A blob is served by its digest; HEAD returns only its size."""
    assert get(base, f"/v2/{NAME}/blobs/{BLOB_DIGEST}")[:2] == (200, BLOB)
    status, content, headers = get(base, f"/v2/{NAME}/blobs/{BLOB_DIGEST}", "HEAD")
    assert (status, content, headers["Content-Length"]) == (200, b"", str(len(BLOB)))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/no/such/manifests/latest", "MANIFEST_UNKNOWN"),
        (f"/v2/{NAME}/manifests/sha256:{'0' * 64}", "MANIFEST_UNKNOWN"),
        (f"/v2/{NAME}/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
        ("/v2/../../etc/passwd", "UNSUPPORTED"),
        ("/v2/no/such/tags/list", "NAME_UNKNOWN"),
    ],
)
def test_refusals(base: tuple[str, ssl.SSLContext], path: str, code: str) -> None:
    """A missing manifest, blob or repository gets 404 with the registry protocol's error code."""
    status, content, _ = get(base, path)
    assert status == 404
    assert json.loads(content)["errors"][0]["code"] == code


def test_version_and_tags(base: tuple[str, ssl.SSLContext]) -> None:
    """The version check succeeds, and a repository lists one tag."""
    assert get(base, "/v2/")[0] == 200
    assert json.loads(get(base, f"/v2/{NAME}/tags/list")[1]) == {"name": NAME, "tags": ["latest"]}
