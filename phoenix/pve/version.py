"""The version of Proxmox VE, compared with the oldest one that Phoenix supports. Pure."""

from __future__ import annotations

import re

MIN_VERSION = (8, 4)
"""The oldest version whose real code Phoenix was run against; the README names it."""


def is_supported(version: str) -> bool:
    """Report whether a version such as `8.4.21` is supported; one that cannot be read is not."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= MIN_VERSION
