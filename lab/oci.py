"""Container images of the lab's registry: one shared layer with Python, and a small one for each stand-in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.internet.registry import MANIFEST, digest
from lab.places import CODE, Places
from lab.run import locked, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lab.image import Image

CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH = 1_700_000_000  # everything in an image is from then: the same content gives the same digest
BUILD_LIMIT = 120.0
PROGRAMS = ("usr/bin/python3.11", "usr/bin/openssl")
# Of Python's library, what the stand-ins never import.
PRUNED = re.compile(
    r"/(__pycache__|test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip|distutils|pydoc_data|config-3|venv|sqlite3"
    r"|curses|dbm|unittest|multiprocessing|asyncio|xmlrpc|wsgiref|ctypes|msilib)(/|-|$)"
)
LOADED_LATE = ("libnss_dns.so.2", "libgcc_s.so.1")  # by name, at run time
TREES = ("usr/lib/python3.11",)
PACKAGE = "usr/lib/python3/dist-packages/lab"


@dataclass(frozen=True)
class Stand:
    """One repository: which stand-in runs, under which of the real image's paths, with its settings."""

    repository: str
    module: str
    program: str
    ports: tuple[int, ...]
    directory: str = "/"
    entry: bool = True  # whether the program is the entry point, so that a stack's `command` is its arguments


# The library of names. Every tag asked for is served.
STANDS = (
    Stand("portainer/portainer-ce", "portainer", "/portainer", (8000, 9000, 9443)),
    Stand("portainer/agent", "agent", "/app/agent", (9001,), "/app"),
    Stand("qdrant/qdrant", "qdrant", "/qdrant/entrypoint.sh", (6333, 6334), "/qdrant", entry=False),
    Stand("thinkheads/thinkheads_ai_app", "thinkheads", "/usr/local/bin/thinkheads-ai-app", (8000,), entry=False),
)


class Layer:
    """A layer in the making: a tar archive whose entries have neither time nor owner of their own."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._directories: set[str] = set()

    def add(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file, and the directories above it."""
        self.directory(name.rpartition("/")[0])
        entry = self._entry(name, tarfile.REGTYPE, mode)
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self.directory(name.rpartition("/")[0])
        entry = self._entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = target
        self._tar.addfile(entry)

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory, once, and those above it."""
        if name and name not in self._directories:
            self.directory(name.rpartition("/")[0])
            self._directories.add(name)
            self._tar.addfile(self._entry(name, tarfile.DIRTYPE, mode))

    def finish(self) -> bytes:
        """The archive, not compressed."""
        self._tar.close()
        return self._buffer.getvalue()

    @staticmethod
    def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.mtime = kind, mode, EPOCH
        return entry


def place(places: Places, image: Image) -> Path:
    """Where the registry's directory for this image and these stand-ins is, or would be."""
    digests = hashlib.sha256(image.path.name.encode() + (CODE / "oci.py").read_bytes())
    for path in sorted((CODE / "standins").glob("*.py")):
        digests.update(path.name.encode() + b"\0" + path.read_bytes())
    return places.cache / "registry" / digests.hexdigest()[:16]


def obtain(places: Places, image: Image, say: Callable[[str], None]) -> Path:
    """The registry's directory, built if the cache does not hold it."""
    target = place(places, image)
    if target.is_dir():
        return target
    with locked(target.parent / ".lock", limit=BUILD_LIMIT, busy="the container images that another process makes"):
        if not target.is_dir():
            say("making the container images")
            for rest in target.parent.glob(".build-*"):  # of a builder that was killed: we hold its lock now
                shutil.rmtree(rest)
            scratch = target.parent / f".build-{os.getpid()}"
            build(image.guest, scratch)
            scratch.rename(target)
    return target


def build(guest: Path, target: Path) -> None:
    """Write every image's blobs and manifest below the directory."""
    (target / "blobs").mkdir(parents=True)
    base = _python_layer(guest)
    packed = _store(target, gzip.compress(base, 3, mtime=0))
    for stand in STANDS:
        _build_image(stand, target, (digest(base), packed))


def _build_image(stand: Stand, target: Path, base: tuple[str, dict[str, Any]]) -> None:
    own = _stand_layer(stand)
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
    """Keep a blob; the part of its descriptor that follows from it."""
    named = digest(content)
    (target / "blobs" / named.replace(":", "-")).write_bytes(content)
    return {"size": len(content), "digest": named}


def _stand_layer(stand: Stand) -> bytes:
    layer = Layer()
    start = f"#!/usr/bin/python3\nfrom lab.standins.{stand.module} import main\n\nmain()\n"
    layer.add(stand.program[1:], start.encode(), 0o755)
    layer.add(f"{PACKAGE}/__init__.py", b"")
    for path in sorted((CODE / "standins").glob("*.py")):
        layer.add(f"{PACKAGE}/standins/{path.name}", path.read_bytes())
    return layer.finish()


def _python_layer(guest: Path) -> bytes:
    """Python and OpenSSL with their libraries, out of the guest tree, and the few files a program expects."""
    layer = Layer()
    for name in ("bin", "lib", "lib64"):
        layer.link(name, f"usr/{name}")
    layer.directory("tmp", 0o1777)
    for name, content in {
        "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
        "etc/group": "root:x:0:\nnogroup:x:65534:\n",
        "etc/nsswitch.conf": "hosts: files dns\n",
        "etc/ssl/openssl.cnf": "[req]\ndistinguished_name = name\n[name]\n",
    }.items():
        layer.add(name, content.encode())
    layer.link("usr/lib/ssl/openssl.cnf", "/etc/ssl/openssl.cnf")
    modules = [path for tree in TREES for path in _wanted(guest, tree)]
    shared = [path for path in modules if path.suffix == ".so"]
    for path in [*modules, *_libraries(guest, [*(guest / name for name in PROGRAMS), *shared])]:
        layer.add(str(path.relative_to(guest)), path.read_bytes(), path.stat().st_mode & 0o777)
    layer.add("usr/bin/openssl", (guest / "usr/bin/openssl").read_bytes(), 0o755)
    layer.add("usr/bin/python3.11", (guest / "usr/bin/python3.11").read_bytes(), 0o755)
    layer.link("usr/bin/python3", "python3.11")
    return layer.finish()


def _wanted(guest: Path, tree: str) -> Iterable[Path]:
    for directory, names, files in os.walk(guest / tree):
        names.sort()
        for name in sorted(files):
            path = guest.joinpath(directory, name)
            if not PRUNED.search("/" + str(path.relative_to(guest))) and path.suffix in (".py", ".so"):
                yield path


def _libraries(guest: Path, programs: list[Path]) -> list[Path]:
    """What the dynamic loader of the guest tree would load for these, by their names inside it."""
    inside = [f"/{path.relative_to(guest)}" for path in programs]
    said = text(["chroot", guest, "ldd", *inside], limit=60)
    found = {match[1] for match in re.finditer(r"(?:=>\s+|^\s+)(/\S+) \(0x", said, re.MULTILINE)}
    found |= {f"/usr/lib/{os.uname().machine}-linux-gnu/{name}" for name in LOADED_LATE}
    return [path for name in sorted(found) if (path := guest / _merged(name)[1:]).exists()]


def _merged(name: str) -> str:
    """The path below /usr of a library that is named by one of the links there."""
    return name if name.startswith("/usr/") else f"/usr{name}"
