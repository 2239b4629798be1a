"""Turns an operating system error on the cache into one message: what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phoenix.artifacts.errors import ArtifactError

FULL = (errno.ENOSPC, errno.EDQUOT)
BUILD_SPACE = 2_500_000_000
"""Bytes that building the programs takes: Go's modules, its build cache and a toolchain."""


@contextmanager
def cache_errors(root: Path) -> Iterator[None]:
    """Raise ArtifactError for each OSError inside."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"the cache {root} cannot be used: {error.filename or root}: {error.strerror or error}.\n"
            f"  {_advice(error)}, or set PHOENIX_CACHE to another directory."
        ) from error


def check_build_space(root: Path) -> None:
    """Raise ArtifactError if the cache's file system has too little space to build in."""
    free = shutil.disk_usage(root).free
    if free < BUILD_SPACE:
        raise ArtifactError(
            f"the cache {root} has {free / 1e9:.1f} GB free, and a build takes {BUILD_SPACE / 1e9:.1f} GB.\n"
            "  Free space there, or set PHOENIX_CACHE to another directory."
        )


def _advice(error: OSError) -> str:
    if error.errno in FULL:
        return "Free space there"
    if error.errno == errno.EROFS:
        return "Mount the file system read-write"
    return f"Let user {os.geteuid()} write there"
