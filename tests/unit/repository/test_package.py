"""The distribution holds everything of the package and no other top-level name."""

from __future__ import annotations

import stat
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser

import pytest

import phoenix
from tests.support.package import LINKED, Distribution, build, tracked
from tests.support.places import ROOT

NAME = f"phoenix_hypervisor-{phoenix.__version__}"
METADATA = ("LICENSE", "NOTICE", "PKG-INFO", "README.md", "phoenix_hypervisor.egg-info", "pyproject.toml", "setup.cfg")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Both files."""
    return build(tmp_path_factory.mktemp("package"))


def package_files() -> set[str]:
    """The repository's files, as the package should have them."""
    return {*tracked("phoenix"), *(f"phoenix/{name}" for name in tracked(*LINKED))}


@pytest.mark.parametrize("folder", LINKED)
def test_folders_are_linked(folder: str) -> None:
    """Each folder of the top level is the package's folder of the same name, by a relative link."""
    link = ROOT / "phoenix" / folder
    assert link.is_symlink()
    assert str(link.readlink()) == f"../{folder}"


def test_wheel(built: Distribution) -> None:
    """The wheel has exactly the package's files, programs and templates included, and its metadata."""
    names = set(zipfile.ZipFile(built.wheel).namelist())
    metadata = {name for name in names if name.startswith(f"{NAME}.dist-info/")}
    assert names - metadata == package_files()
    assert {"METADATA", "entry_points.txt", "LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in metadata}


def test_sdist(built: Distribution) -> None:
    """The source distribution has the package's files and what is needed to build it, no link among them."""
    with tarfile.open(built.sdist) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert {name for name in names if name.startswith("phoenix/")} == package_files()
    assert {name.partition("/")[0] for name in names} == {"phoenix", *METADATA}
    assert [member.name for member in members if member.issym() or member.islnk()] == []


def test_programs_stay_executable(built: Distribution) -> None:
    """What is executable in the repository is executable in the wheel."""
    files = zipfile.ZipFile(built.wheel).infolist()
    in_wheel = {
        one.filename for one in files if (one.external_attr >> 16) & stat.S_IXUSR and "phoenix/" in one.filename
    }
    wanted = {f"phoenix/{name}" for name in tracked(*LINKED) if (ROOT / name).stat().st_mode & stat.S_IXUSR}
    assert in_wheel == wanted
    assert wanted


def test_entry_points(built: Distribution) -> None:
    """The wheel's entry points are the command and the two plugins of Nornir."""
    parser = ConfigParser()
    parser.read_string(zipfile.ZipFile(built.wheel).read(f"{NAME}.dist-info/entry_points.txt").decode())
    assert {section: dict(parser[section]) for section in parser.sections()} == {
        "console_scripts": {"phoenix": "phoenix.runbooks.__main__:main"},
        "nornir.plugins.connections": {"phoenix_host": "phoenix.connections.plugin:SharedConnection"},
        "nornir.plugins.inventory": {"phoenix_inventory": "phoenix.estate.plugin:PhoenixInventory"},
    }


def test_metadata(built: Distribution) -> None:
    """The wheel requires what pyproject.toml says, and the AGPL package in no extra for users."""
    text = zipfile.ZipFile(built.wheel).read(f"{NAME}.dist-info/METADATA").decode()
    head = text.partition("\n\n")[0].splitlines()
    required = [line.removeprefix("Requires-Dist: ") for line in head if line.startswith("Requires-Dist: ")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {one.partition(";")[0].replace(" ", "") for one in required if "extra ==" not in one} == {
        one.replace(" ", "") for one in project["dependencies"]
    }
    assert [one for one in required if "fakepve" in one and 'extra == "dev"' not in one] == []
