"""Builds the lab's image in the cache: `python -m phoenix.lab.prepare`, before `lab.py up`.

`up` builds a missing image itself. As a step of its own it runs beside other work, and its time is shown.
"""

from __future__ import annotations

import errno
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix.lab import preflight
from phoenix.lab.errors import LabError
from phoenix.lab.images import image, oci, python_packages
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.places import LabPlaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


UNUSABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@dataclass(frozen=True)
class Prepared:
    """Directories in the cache that the hypervisor mounts read-only."""

    image: image.Image
    site: Path
    registry: Path


def prepare(places: LabPlaces, say: Callable[[str], None]) -> Prepared:
    """Return the image, the API server's packages and the container images; build what the cache does not hold."""
    try:
        with ThreadPoolExecutor(1) as pool:
            packages = pool.submit(python_packages.obtain, places, say)
            built = image.obtain(places, say)
            registry = oci.obtain(places, built, say)
            return Prepared(built, packages.result(), registry)
    except OSError as error:
        if error.errno not in UNUSABLE:
            raise
        raise LabError(
            f"the cache {places.cache} cannot be used: {error.filename or places.cache}: {error.strerror}."
            " Correct that, or set PHOENIX_CACHE to another directory"
        ) from error


def main() -> int:
    """Prepare, unless the lab runs already, from any image."""
    try:
        places = LabPlaces.of_environment()
        preflight.check(places)
        if OuterContainer(places).pid is None:
            prepare(places, _say)
    except LabError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
