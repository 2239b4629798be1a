"""Official releases: whether they can be reached, and an archive verified by its published checksum."""

from __future__ import annotations

import shutil
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from phoenix.artifacts.catalogue import Program
from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.store import sha256

HOME = "https://github.com/"
PROBE_LIMIT = 6.0
CONNECT_LIMIT, READ_LIMIT, DOWNLOAD_LIMIT = 5.0, 15.0, 300.0  # seconds


class UnavailableError(ArtifactError):
    """A release cannot be downloaded; wrong contents are an ArtifactError instead."""


class Fetch(Protocol):
    """Downloads a URL into a file, or only checks that it answers; tests pass their own."""

    def __call__(self, url: str, target: Path | None, /) -> None:
        """Download within the transport's time limits."""

    def stop(self) -> None:
        """Abort the downloads."""


class Fetcher:
    """Downloads over HTTPS within the limits."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def __call__(self, url: str, target: Path | None, /) -> None:
        """Download into a file; without one, only check that the URL answers."""
        import requests  # noqa: PLC0415 - 0.1 s that a run with a full cache does not need

        timeout = (CONNECT_LIMIT, READ_LIMIT)
        try:
            with requests.request("GET" if target else "HEAD", url, stream=True, timeout=timeout) as answer:
                answer.raise_for_status()
                if target is not None:
                    self._save(url, answer.iter_content(1 << 18), target)
        except requests.RequestException as error:
            raise UnavailableError(f"{url}: {_cause(error)}") from error

    def stop(self) -> None:
        """Abort the downloads."""
        self._stopped.set()

    def _save(self, url: str, chunks: Iterator[bytes], target: Path) -> None:
        until = time.monotonic() + DOWNLOAD_LIMIT
        with target.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                if self._stopped.is_set():
                    raise ArtifactError(f"{url} was aborted: stopping")
                if time.monotonic() > until:
                    raise UnavailableError(f"{url} took longer than {DOWNLOAD_LIMIT:.0f} s")


def unreachable(fetch: Fetch) -> str | None:
    """Return the reason why releases are unreachable, or None, within seconds even if the resolver hangs."""
    verdict = [f"{HOME} did not answer in {PROBE_LIMIT:.0f} s"]

    def probe() -> None:
        try:
            fetch(HOME, None)
            verdict.clear()
        except UnavailableError as error:
            verdict[:] = [str(error)]

    # A name lookup has no time limit of its own; a daemon thread may be left waiting for it.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_LIMIT)
    return verdict[0] if verdict else None


def download(program: Program, scratch: Path, fetch: Fetch, *, pin: str | None) -> tuple[Path, str]:
    """Extract the program from its release archive; return it and the archive's verified checksum."""
    release = program.release
    archive, published = scratch / PurePosixPath(release.archive).name, scratch / f"{program.name}.sums"
    fetch(release.checksums, published)
    fetch(release.archive, archive)
    found, expected = sha256(archive), _published(published, archive.name)
    if found != expected:
        raise ArtifactError(f"{release.archive} has SHA-256 {found}, but its release publishes {expected}")
    if pin is not None and found != pin:
        raise ArtifactError(
            f"{release.archive} is not the archive downloaded before ({found} instead of {pin}): a release must "
            "not change. Find out why; to accept it, remove the artifact's folder from the cache"
        )
    return _unpack(archive, program.name, scratch), found


def _published(sums: Path, name: str) -> str:
    for line in sums.read_text().splitlines():
        checksum, _, file = line.partition(" ")
        if file.strip().lstrip("*") == name:
            return checksum.lower()
    raise ArtifactError(f"the release's checksums do not mention {name}")


def _unpack(archive: Path, name: str, scratch: Path) -> Path:
    target = scratch / name
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and PurePosixPath(member.name).name == name:
                source = tar.extractfile(member)
                assert source is not None  # noqa: S101 - a regular file has contents; mypy cannot know
                with target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                return target
    raise ArtifactError(f"{archive.name} contains no program named {name}")


def _cause(error: Exception) -> str:
    """Return the innermost reason of a failure, without the layers around it."""
    while error.__cause__ or error.__context__:
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(error).splitlines()[0] if str(error) else type(error).__name__
