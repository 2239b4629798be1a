"""The package sources from which the lab's image is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.lab.images.apt import DEFAULT_SOURCES, deb822_sources, machine_sources, one_line_sources

pytestmark = pytest.mark.timeout(10)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

DEB822 = f"""\
Types: deb
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: https://packages.example/cloud
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/cloud.gpg
"""


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("deb http://mirror.example/debian bookworm main", "deb http://mirror.example/debian bookworm main"),
        (
            "deb http://mirror.example/debian/ bookworm main non-free # ours",
            "deb http://mirror.example/debian/ bookworm main",
        ),
        (
            f"deb [arch=amd64 signed-by={KEYRING}] http://x.example/pkgs bookworm main",
            f"deb [arch=amd64 signed-by={KEYRING}] http://x.example/pkgs bookworm main",
        ),
        (
            "deb http://security.example/debian-security bookworm-security main",
            "deb http://security.example/debian-security bookworm-security main",
        ),
        ("# deb http://mirror.example/debian bookworm main", None),
        ("deb-src http://mirror.example/debian bookworm main", None),
        ("deb http://mirror.example/debian trixie main", None),
        ("deb http://mirror.example/debian bookworm contrib", None),
        ("deb https://packages.example/cloud cloud-bookworm main", None),
        ("deb https://packages.example/cloud bookworm main", None),
    ],
)
def test_one_line(line: str, kept: str | None) -> None:
    """A line that serves Debian bookworm's main is reduced to that; other lines are dropped."""
    assert one_line_sources(line) == ([kept] if kept else [])


def test_deb822() -> None:
    """A stanza gives a line for each of its suites; third-party repositories are dropped."""
    assert deb822_sources(DEB822) == [
        f"deb [signed-by={KEYRING}] http://mirror.example/debian bookworm main",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian bookworm-updates main",
    ]


def test_disabled_stanza() -> None:
    """A disabled stanza is dropped."""
    assert deb822_sources(f"Enabled: no\n{DEB822}") == []


def test_machine(tmp_path: Path) -> None:
    """All of a machine's source files are read, and duplicate lines are merged."""
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/again.list").write_text("deb http://a.example/debian bookworm main\n")
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    assert len(machine_sources(tmp_path)) == 3


def test_machine_without_bookworm(tmp_path: Path) -> None:
    """A machine without a source for bookworm itself uses Debian's public ones."""
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm-security main\n")
    (tmp_path / "sources.list.d").mkdir()
    assert machine_sources(tmp_path) == list(DEFAULT_SOURCES)
