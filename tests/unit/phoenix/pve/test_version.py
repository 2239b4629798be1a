"""The supported versions of Proxmox VE are those of the README."""

from __future__ import annotations

import pytest

from phoenix.pve.version import MIN_VERSION, is_supported
from tests.support.places import ROOT


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("8.4.21", True),
        ("8.4", True),
        ("8.3.5", False),
        ("7.4-3", False),
        ("9.0.10", True),
        ("10.1", True),
        ("", False),
    ],
)
def test_versions(version: str, supported: bool) -> None:  # noqa: FBT001
    """Versions are compared by number; one that cannot be read is not supported."""
    assert is_supported(version) is supported


def test_readme() -> None:
    """The README names the same oldest version."""
    assert f"Proxmox VE {'.'.join(map(str, MIN_VERSION))} or newer is required" in (ROOT / "README.md").read_text(
        "utf-8"
    )
