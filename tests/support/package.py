"""Builds the distribution from the checkout, as `pip` does it, without an index and without writing to the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.places import ROOT

BUILD = """
import sys
from setuptools import build_meta
print(build_meta.build_sdist(sys.argv[1]))
"""
LINKED = ("lab", "runbooks", "tasks", "templates")
"""The folders at the top level that phoenix/ links to."""


@dataclass(frozen=True)
class Distribution:
    """The files that a build made; the wheel is made from the sdist."""

    sdist: Path
    wheel: Path


def tracked(*folders: str) -> list[str]:
    """Files of the repository below the folders, links left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink())


def build(folder: Path) -> Distribution:
    """Build the sdist from a copy of the tracked files, and the wheel from the sdist."""
    source, out = folder / "source", folder / "dist"
    for name in tracked("."):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    for name in LINKED:
        (source / "phoenix" / name).symlink_to(Path("..", name))
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, check=True, capture_output=True, timeout=120)
    (sdist,) = out.glob("*.tar.gz")
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    pip = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(out), str(sdist)]
    subprocess.run(pip, cwd=folder, check=True, capture_output=True, timeout=120)
    (wheel,) = out.glob("*.whl")
    return Distribution(sdist, wheel)
