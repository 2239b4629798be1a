"""The controller's directories: a table of environments and the paths that follow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.store import Store
from phoenix.connections.access import AccessError, access_path
from phoenix.directories import DirectoryError, access_file, cache_directory, lab_directory
from phoenix.lab.errors import LabError
from phoenix.lab.places import LabPlaces

VARIABLES = ("PHOENIX_CACHE", "PHOENIX_ACCESS", "PHOENIX_LAB", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME")
USER, ROOT = 1000, 0
Become = Callable[[int, Mapping[str, str]], None]


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Set the user and exactly these variables; a user without HOME has no passwd entry either."""

    def set_to(uid: int, environment: Mapping[str, str]) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return set_to


HOME = {"HOME": "/home/op"}


@pytest.mark.parametrize(
    ("uid", "environment", "path"),
    [
        (ROOT, {}, "/var/cache/phoenix"),
        (ROOT, {"XDG_CACHE_HOME": "/xdg"}, "/var/cache/phoenix"),
        (ROOT, {"PHOENIX_CACHE": "/named"}, "/named"),
        (USER, HOME, "/home/op/.cache/phoenix"),
        (USER, {**HOME, "XDG_CACHE_HOME": "/xdg"}, "/xdg/phoenix"),
        (USER, {**HOME, "XDG_CACHE_HOME": "relative"}, "/home/op/.cache/phoenix"),
        (USER, {**HOME, "XDG_CACHE_HOME": ""}, "/home/op/.cache/phoenix"),
        (USER, {**HOME, "PHOENIX_CACHE": ""}, "/home/op/.cache/phoenix"),
        (USER, {**HOME, "PHOENIX_CACHE": "/named", "XDG_CACHE_HOME": "/xdg"}, "/named"),
        (USER, {"PHOENIX_CACHE": "/named"}, "/named"),
        (USER, {"XDG_CACHE_HOME": "/xdg"}, "/xdg/phoenix"),
    ],
)
def test_cache(become: Become, uid: int, environment: dict[str, str], path: str) -> None:
    """The cache is the named one, else the system's for root, else the user's."""
    become(uid, environment)
    assert cache_directory() == Path(path)
    assert Store.default().root == Path(path, "artifacts")
    assert LabPlaces.of_environment().cache == Path(path)


@pytest.mark.parametrize(
    ("uid", "environment", "path"),
    [
        (ROOT, {"HOME": "/root"}, "/root/.config/phoenix/access.yaml"),
        (USER, HOME, "/home/op/.config/phoenix/access.yaml"),
        (USER, {**HOME, "XDG_CONFIG_HOME": "/xdg"}, "/xdg/phoenix/access.yaml"),
        (USER, {**HOME, "XDG_CONFIG_HOME": "relative"}, "/home/op/.config/phoenix/access.yaml"),
        (USER, {**HOME, "PHOENIX_ACCESS": "/named.yaml", "XDG_CONFIG_HOME": "/xdg"}, "/named.yaml"),
        (USER, {**HOME, "PHOENIX_ACCESS": ""}, "/home/op/.config/phoenix/access.yaml"),
        (USER, {"XDG_CONFIG_HOME": "/xdg"}, "/xdg/phoenix/access.yaml"),
    ],
)
def test_access_file(become: Become, uid: int, environment: dict[str, str], path: str) -> None:
    """The access file is the named one, else in the user's configuration directory."""
    become(uid, environment)
    assert access_file() == Path(path) == access_path(lab=False)


@pytest.mark.parametrize(
    ("environment", "path"),
    [({}, "/var/lib/phoenix-lab"), ({"PHOENIX_LAB": ""}, "/var/lib/phoenix-lab"), ({"PHOENIX_LAB": "/lab"}, "/lab")],
)
def test_lab(become: Become, environment: dict[str, str], path: str) -> None:
    """The lab's directory is the named one, or the default, and its access file is in it."""
    become(ROOT, environment)
    assert lab_directory() == Path(path) == LabPlaces.of_environment().lab
    assert access_path(lab=True) == Path(path, "access.yaml")


@pytest.mark.parametrize("environment", [{}, {"HOME": "/nonexistent"}])
def test_no_home(become: Become, environment: dict[str, str]) -> None:
    """Without a home directory, or with Debian's name for none, the message says which variables to set."""
    become(USER, environment)
    with pytest.raises(DirectoryError, match=r"user 4000000000 has no home directory. Set PHOENIX_CACHE, XDG_CACHE"):
        cache_directory()
    with pytest.raises(ArtifactError, match=r"the cache directory cannot be located: .* Set PHOENIX_CACHE"):
        Store.default()
    with pytest.raises(LabError, match=r"the cache directory cannot be located: .* Set PHOENIX_CACHE"):
        LabPlaces.of_environment()
    with pytest.raises(AccessError, match=r"the access file cannot be located: .* Set PHOENIX_ACCESS, XDG_CONFIG"):
        access_path(lab=False)
