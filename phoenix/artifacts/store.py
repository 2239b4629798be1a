"""The cache of artifacts: one folder per program and version, complete or absent."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from phoenix.artifacts.catalogue import Program
from phoenix.artifacts.errors import ArtifactError
from phoenix.directories import DirectoryError, cache_directory

log = logging.getLogger(__name__)

LOCK_LIMIT = 1200.0  # seconds: longer than the slowest build
GZIP_LEVEL = 3  # 6 % larger than level 6, in less than half the time


@dataclass(frozen=True, slots=True)
class Artifact:
    """A program in the cache, verified: the binary, a gzipped copy for pushing, and its origin."""

    name: str
    version: str
    path: Path
    packed: Path
    sha256: str
    size: int
    source: str


@dataclass(frozen=True, slots=True)
class Record:
    """The record beside a binary, by which the store recognizes it."""

    sha256: str
    size: int
    source: str
    archive_sha256: str | None  # of its release archive: the pin of the first download
    seen: tuple[int, ...]  # the result of `stat` when the checksum was last computed
    omits: tuple[str, ...] = ()  # the build tags that excluded parts


@dataclass(frozen=True, slots=True)
class Store:
    """The artifacts' part of the cache."""

    root: Path

    @classmethod
    def default(cls) -> Store:
        """Return the store of this user; ArtifactError if the cache directory cannot be located."""
        try:
            return cls(cache_directory() / "artifacts")
        except DirectoryError as error:
            raise ArtifactError(f"the cache directory cannot be located: {error}") from None

    def folder(self, program: Program) -> Path:
        """The directory of a program's files, which may not exist yet."""
        return self.root / f"{program.name}-{program.version}"

    def find(self, program: Program) -> Artifact | None:
        """Return the cached artifact; None if it is absent, is not what was recorded, or lacks a part.

        A build with fewer excluded parts than the catalogue's is accepted: it contains everything needed, and a
        controller without the Internet can go on with it.
        """
        folder = self.folder(program)
        binary, packed = _files(folder, program)
        record = self.record(program)
        if record is None or not packed.is_file() or not binary.is_file():
            return None
        if binary.stat().st_size != record.size:
            return None
        if missing := set(record.omits) - set(program.omits):
            log.warning("%s was built with %s; obtaining it again", binary, ", ".join(sorted(missing)))
            return None
        # 280 MB need not be read again on every run: a file whose inode and change time are those of the
        # last reading has not been written to since.
        if _stat(binary) != record.seen:
            if sha256(binary) != record.sha256:
                log.warning("%s is not what was recorded; obtaining it again", binary)
                return None
            with suppress(OSError):  # another user's cache: this user reads the file again on each run
                _write_record(folder, Record(**{**asdict(record), "seen": _stat(binary)}))
        return Artifact(program.name, program.version, binary, packed, record.sha256, record.size, record.source)

    def record(self, program: Program) -> Record | None:
        """Return the record of a program, even if its files have changed since."""
        try:
            fields = json.loads((self.folder(program) / "record.json").read_text())
            return Record(**{**fields, "seen": tuple(fields["seen"]), "omits": tuple(fields.get("omits", ()))})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def adopt(
        self,
        program: Program,
        binary: Path,
        *,
        source: str,
        archive_sha256: str | None = None,
        omits: tuple[str, ...] = (),
    ) -> Artifact:
        """Add a binary to the store: write it to a temporary directory, then rename that."""
        stage = Path(tempfile.mkdtemp(prefix=f".{program.name}-", dir=self.root))
        kept, packed = _files(stage, program)
        shutil.move(binary, kept)
        kept.chmod(0o755)
        with kept.open("rb") as plain, gzip.GzipFile(packed, "wb", GZIP_LEVEL, mtime=0) as gz:
            shutil.copyfileobj(plain, gz, 1 << 20)
        _write_record(stage, Record(sha256(kept), kept.stat().st_size, source, archive_sha256, _stat(kept), omits))
        stage.chmod(0o755)
        folder = self.folder(program)
        shutil.rmtree(folder, ignore_errors=True)
        stage.rename(folder)
        found = self.find(program)
        if found is None:
            raise ArtifactError(f"{folder} changed while it was being written; find the process that writes there")
        return found

    @contextmanager
    def exclusive(self) -> Iterator[Path]:
        """Lock the store and yield a scratch folder in it; remove the remains of a killed run."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            _wait_for(lock.fileno(), self.root)
            for rest in self.root.glob(".[!l]*"):
                shutil.rmtree(rest, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=".work-", dir=self.root) as scratch:
                yield Path(scratch)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path, program: Program) -> tuple[Path, Path]:
    return folder / program.name, folder / f"{program.name}.gz"


def _stat(path: Path) -> tuple[int, ...]:
    seen = path.stat()
    return seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns


def _write_record(folder: Path, record: Record) -> None:
    temporary = folder / ".record.json"
    temporary.write_text(json.dumps(asdict(record), indent=2) + "\n")
    temporary.replace(folder / "record.json")


def _wait_for(lock: int, root: Path) -> None:
    until, announced = time.monotonic() + LOCK_LIMIT, False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise ArtifactError(
                    f"another process has held {root}/.lock for {LOCK_LIMIT:.0f} s; end it and try again"
                ) from None
        if not announced:
            log.info("another process is obtaining artifacts; waiting for it")
            announced = True
        time.sleep(0.2)
