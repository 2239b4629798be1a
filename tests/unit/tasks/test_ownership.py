"""Each file that Phoenix writes shows that it is Phoenix's, by its path or by a text in it (docs/ownership.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from phoenix.converge import BehindMount, Daemon, Directory, File, ManagedGlob, Resource, Timers, Unit
from phoenix.converge.foreign import is_named
from phoenix.estate import Container, Hypervisor
from tests.support.inventories import example
from tests.support.places import ROOT
from tests.unit.tasks.test_converged import ESTATE, STEPS, resources

DISTRIBUTIONS = {"/etc/docker", "/etc/nginx/conf.d", "/etc/systemd/system/nginx.service.d", "/etc/traefik"}
"""Directories of guests that programs of the distribution use, too."""


def parts(of: Iterable[Resource]) -> Iterator[Resource]:
    """The resources, and those that they consist of."""
    for resource in of:
        yield resource
        match resource:
            case Daemon():
                yield from parts((resource.unit, *resource.files, *resource.reread, *resource.watched))
            case Timers():
                yield from parts(resource.units)
            case BehindMount():
                yield from parts((resource.inner,))
            case Unit() if resource.file:
                yield resource.file


def of_kind(is_hypervisor: bool) -> dict[str, Resource]:  # noqa: FBT001 - either kind of host
    """What all steps compare on hosts of a kind, by step, host and number."""
    return {
        f"{title}-{number}": part
        for title, (_, name) in STEPS.items()
        if isinstance(ESTATE.host(name), Hypervisor) == is_hypervisor
        for number, part in enumerate(parts(resources(title)))
    }


def test_hypervisor() -> None:
    """On a hypervisor, which Phoenix did not create, each file, directory and pattern has Phoenix's name."""
    found = of_kind(is_hypervisor=True).values()
    paths = {one.path for one in found if isinstance(one, File | Directory)}
    paths |= {one.pattern for one in found if isinstance(one, ManagedGlob)}
    assert paths
    assert [path for path in sorted(paths) if not is_named(path)] == []


def test_guests() -> None:
    """On a guest, each file without Phoenix's name has a text by which it is known."""
    files = [one for one in of_kind(is_hypervisor=False).values() if isinstance(one, File) and not is_named(one.path)]
    assert files
    assert [one.path for one in files if not one.mark or one.mark not in one.content] == []


def test_directories_of_guests() -> None:
    """Directories without Phoenix's name are those of programs, and those that the inventory names."""
    found = [one for one in of_kind(is_hypervisor=False).values() if isinstance(one, Directory)]
    volumes = {volume.split(":")[0] for one in _containers() for volume in one.volumes}
    others = {one.path for one in found if not is_named(one.path)} - volumes
    declared = tuple(guest.persistent_storage for guest in ESTATE.guests if guest.persistent_storage)
    assert {path for path in others if not path.startswith((*DISTRIBUTIONS, *declared))} == set()


def _containers() -> list[Container]:
    return [container for guest in example().guests for container in guest.containers.values()]


@pytest.mark.parametrize(
    "path", sorted({one.path for one in of_kind(is_hypervisor=False).values() if isinstance(one, File)})
)
def test_files_are_documented(path: str) -> None:
    """The page on ownership names each path on guests that does not have Phoenix's name, or its directory."""
    page = (ROOT / "docs" / "ownership.md").read_text("utf-8")
    assert is_named(path) or path in page or f"{path.rpartition('/')[0]}/*" in page or path.endswith(".mount")
