"""Builds layers of container images: reproducible tar archives, and the base layer with the guest tree's Python."""

from __future__ import annotations

import io
import os
import re
import tarfile
from typing import TYPE_CHECKING

from phoenix.lab.programs import text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EPOCH = 1_700_000_000  # the modification time of every entry, so that equal content has an equal digest
PROGRAMS = ("usr/bin/python3.11", "usr/bin/openssl")
# Parts of Python's standard library that no stand-in imports.
PRUNED = re.compile(
    r"/(__pycache__|test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip|distutils|pydoc_data|config-3|venv|sqlite3"
    r"|curses|dbm|unittest|multiprocessing|asyncio|xmlrpc|wsgiref|ctypes|msilib)(/|-|$)"
)
LOADED_AT_RUN_TIME = ("libnss_dns.so.2", "libgcc_s.so.1")  # with dlopen, so ldd does not list them
TREES = ("usr/lib/python3.11", *(f"usr/lib/python3/dist-packages/{name}" for name in ("h2", "hpack", "hyperframe")))


class ImageLayer:
    """Builds one layer: a tar archive whose entries all have the same time and owner."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._directories: set[str] = set()

    def add(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file and its parent directories."""
        self.directory(name.rpartition("/")[0])
        entry = self._entry(name, tarfile.REGTYPE, mode)
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link and its parent directories."""
        self.directory(name.rpartition("/")[0])
        entry = self._entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = target
        self._tar.addfile(entry)

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory and its parents, each once."""
        if name and name not in self._directories:
            self.directory(name.rpartition("/")[0])
            self._directories.add(name)
            self._tar.addfile(self._entry(name, tarfile.DIRTYPE, mode))

    def finish(self) -> bytes:
        """Return the uncompressed archive."""
        self._tar.close()
        return self._buffer.getvalue()

    @staticmethod
    def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.mtime = kind, mode, EPOCH
        return entry


def python_layer(guest: Path) -> bytes:
    """Return the base layer: Python and OpenSSL with their libraries from the guest tree, and minimal /etc files."""
    layer = ImageLayer()
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
        file = _followed(guest, path)
        layer.add(str(path.relative_to(guest)), file.read_bytes(), file.stat().st_mode & 0o777)
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
    """Return the shared libraries that the guest tree's dynamic loader loads for these programs."""
    inside = [f"/{path.relative_to(guest)}" for path in programs]
    listing = text(["chroot", guest, "ldd", *inside], limit=60)
    names = {match[1] for match in re.finditer(r"(?:=>\s+|^\s+)(/\S+) \(0x", listing, re.MULTILINE)}
    names |= {f"/usr/lib/{os.uname().machine}-linux-gnu/{name}" for name in LOADED_AT_RUN_TIME}
    return [path for name in sorted(names) if _followed(guest, path := guest / _merged(name)[1:]).exists()]


def _merged(name: str) -> str:
    """Return a library's path below /usr, where /lib and /lib64 are links into it."""
    return name if name.startswith("/usr/") else f"/usr{name}"


def _followed(guest: Path, path: Path) -> Path:
    """Return the file that a link leads to as the guest sees it: an absolute target is below the tree, not here."""
    while path.is_symlink():
        target = path.readlink()
        path = guest / target.relative_to("/") if target.is_absolute() else path.parent / target
    return path
