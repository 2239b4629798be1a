"""Builds the registry's container images: a shared base layer with Python, and a small layer for each stand-in."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phoenix.lab.images.layers import ImageLayer, python_layer
from phoenix.lab.internet.registry import MANIFEST, digest
from phoenix.lab.places import CODE, LabPlaces
from phoenix.lab.programs import locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix.lab.images.image import Image

CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
BUILD_LIMIT = 120.0
PACKAGE = "usr/lib/python3/dist-packages/phoenix"


@dataclass(frozen=True)
class StandInImage:
    """One repository: the stand-in's module, its path in the real image, and the image's settings."""

    repository: str
    module: str
    program: str
    ports: tuple[int, ...]
    directory: str = "/"
    entry: bool = True  # the program is the entry point, so a container's `command` is its arguments


# Every tag of these repositories is served.
STAND_IN_IMAGES = (
    StandInImage("portainer/portainer-ce", "portainer", "/portainer", (8000, 9000, 9443)),
    StandInImage("portainer/agent", "agent", "/app/agent", (9001,), "/app"),
    StandInImage("qdrant/qdrant", "qdrant", "/qdrant/entrypoint.sh", (6333, 6334), "/qdrant", entry=False),
    StandInImage(
        "thinkheads/thinkheads_ai_app", "thinkheads", "/usr/local/bin/thinkheads-ai-app", (8000,), entry=False
    ),
)


def place(places: LabPlaces, image: Image) -> Path:
    """Return the cache directory of the registry for this image and the current stand-ins, whether built or not."""
    digests = hashlib.sha256(image.path.name.encode())
    for path in (CODE / "images/oci.py", CODE / "images/layers.py", *sorted((CODE / "standins").glob("*.py"))):
        digests.update(path.name.encode() + b"\0" + path.read_bytes())
    return places.cache / "registry" / digests.hexdigest()[:16]


def obtain(places: LabPlaces, image: Image, say: Callable[[str], None]) -> Path:
    """Return the registry's directory; build it if it is not in the cache."""
    target = place(places, image)
    if target.is_dir():
        return target
    with locked(target.parent / ".lock", limit=BUILD_LIMIT, busy="the container images that another process builds"):
        if not target.is_dir():
            say("building the container images")
            for rest in target.parent.glob(".build-*"):  # left by a killed builder: this process holds the lock
                shutil.rmtree(rest)
            scratch = target.parent / f".build-{os.getpid()}"
            build(image.guest, scratch)
            scratch.rename(target)
    return target


def build(guest: Path, target: Path) -> None:
    """Write the blobs and manifest of every image below the directory."""
    (target / "blobs").mkdir(parents=True)
    base = python_layer(guest)
    packed = _store(target, gzip.compress(base, 3, mtime=0))
    for stand in STAND_IN_IMAGES:
        _build_image(stand, target, (digest(base), packed))


def _build_image(stand: StandInImage, target: Path, base: tuple[str, dict[str, Any]]) -> None:
    own = _stand_in_layer(stand)
    layer = _store(target, gzip.compress(own, 6, mtime=0))
    run: dict[str, Any] = {
        "Entrypoint" if stand.entry else "Cmd": [stand.program],
        "WorkingDir": stand.directory,
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1"],
        "ExposedPorts": {f"{port}/tcp": {} for port in stand.ports},
        "Labels": {"phoenix.lab": "stand-in"},
    }
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "created": "2023-11-14T22:13:20Z",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [base[0], digest(own)]},
        "history": [{"created_by": "phoenix lab: python"}, {"created_by": f"phoenix lab: {stand.module}"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG} | _store(target, json.dumps(config).encode()),
        "layers": [{"mediaType": LAYER} | base[1], {"mediaType": LAYER} | layer],
    }
    file = target / "manifests" / f"{stand.repository}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(manifest))


def _store(target: Path, content: bytes) -> dict[str, Any]:
    """Write a blob; return the size and digest for its descriptor."""
    name = digest(content)
    (target / "blobs" / name.replace(":", "-")).write_bytes(content)
    return {"size": len(content), "digest": name}


def _stand_in_layer(stand: StandInImage) -> bytes:
    layer = ImageLayer()
    start = f"#!/usr/bin/python3\nfrom phoenix.lab.standins.{stand.module} import main\n\nmain()\n"
    layer.add(stand.program[1:], start.encode(), 0o755)
    for package in (PACKAGE, f"{PACKAGE}/lab"):
        layer.add(f"{package}/__init__.py", b"")
    for path in sorted((CODE / "standins").glob("*.py")):
        layer.add(f"{PACKAGE}/lab/standins/{path.name}", path.read_bytes())
    return layer.finish()
