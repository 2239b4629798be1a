"""What a lab starts from is built in the cache; what stands in the way is a message."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from phoenix.lab import prepare
from phoenix.lab.errors import LabError
from phoenix.lab.images.image import Image
from phoenix.lab.places import LabPlaces
from phoenix.lab.programs import locked


@pytest.fixture
def places(tmp_path: Path) -> LabPlaces:
    """A lab that does not run, with an empty cache."""
    return LabPlaces(tmp_path / "lab", tmp_path / "cache")


def test_what_is_prepared(places: LabPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image, packages and container images are obtained, the last from the first."""
    image = Image(places.images / "key")
    monkeypatch.setattr("phoenix.lab.images.image.obtain", lambda *_: image)
    monkeypatch.setattr("phoenix.lab.images.python_packages.obtain", lambda *_: Path("/site"))
    monkeypatch.setattr("phoenix.lab.images.oci.obtain", lambda _places, of, _say: of.path / "registry")
    assert prepare.prepare(places, print) == prepare.Prepared(image, Path("/site"), image.path / "registry")


def test_a_full_disk(places: LabPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the file system says what, where, and what to do."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{places.images}/guest")

    monkeypatch.setattr("phoenix.lab.images.image.obtain", full)
    monkeypatch.setattr("phoenix.lab.images.python_packages.obtain", lambda *_: Path("/site"))
    with pytest.raises(LabError) as refused:
        prepare.prepare(places, print)
    assert str(refused.value) == (
        f"the cache {places.cache} cannot be used: {places.images}/guest: No space left on device."
        " Correct that, or set PHOENIX_CACHE to another directory"
    )


def test_another_error(places: LabPlaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that no other cache would change is not blamed on the cache."""

    def broken(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "somewhere")

    monkeypatch.setattr("phoenix.lab.images.image.obtain", broken)
    monkeypatch.setattr("phoenix.lab.images.python_packages.obtain", lambda *_: Path("/site"))
    with pytest.raises(FileNotFoundError):
        prepare.prepare(places, print)


def test_main_is_a_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On its own, it gives 1 and the message where the machine cannot run the lab, and builds nothing."""

    def refuse(_places: LabPlaces) -> None:
        raise LabError("this machine cannot carry the lab")

    monkeypatch.setattr("phoenix.lab.preflight.check", refuse)
    monkeypatch.setattr(prepare, "prepare", lambda *_: pytest.fail("something was built"))
    assert prepare.main() == 1
    assert capsys.readouterr().err == "lab: this machine cannot carry the lab\n"


@pytest.mark.parametrize(("pid", "built"), [(None, 1), (4711, 0)])
def test_a_running_lab_needs_no_image(monkeypatch: pytest.MonkeyPatch, pid: int | None, built: int) -> None:
    """Where the lab runs, no image is built that it would not use."""
    calls: list[object] = []
    monkeypatch.setattr("phoenix.lab.preflight.check", lambda _: None)
    monkeypatch.setattr("phoenix.lab.machine.container.OuterContainer.pid", property(lambda _: pid))
    monkeypatch.setattr(prepare, "prepare", lambda *_: calls.append(1))
    assert prepare.main() == 0
    assert len(calls) == built


def test_a_held_lock_is_announced(tmp_path: Path) -> None:
    """Who waits for a lock says what for, and how long at most; a lock that is free is not mentioned."""
    said: list[str] = []
    path = tmp_path / "lock"
    with locked(path, limit=5, busy="the other build", say=said.append):
        assert said == []
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        release = threading.Timer(0.2, fcntl.flock, (other, fcntl.LOCK_UN))
        release.start()
        with locked(path, limit=5, busy="the other build", say=said.append):
            assert said == ["waiting for the other build, at most 5 s"]
        release.join()


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    """A cache in which the lock cannot be created is a message with the path and what to do."""
    (tmp_path / "taken").touch()
    with pytest.raises(LabError, match=r"taken/lock cannot be opened: .*Run as root, or set PHOENIX_CACHE"):  # noqa: SIM117
        with locked(tmp_path / "taken" / "lock", limit=1, busy="nothing"):
            pytest.fail("it was locked")
