"""What ran on a guest for a group that it has left."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from phoenix.converge import File, Leftovers
from phoenix.estate import Estate
from phoenix.tasks.hosts.leftovers import leftover_resources
from tests.support.converged import Entry, SimulatedHost
from tests.support.estates import guest
from tests.support.inventories import example
from tests.support.runs import without_group
from tests.unit.tasks.test_converged import STEPS, resources
from tests.unit.tasks.test_ownership import parts

UNITS = "/etc/systemd/system"
TRAEFIK = f"{UNITS}/traefik.service"
CA = f"{UNITS}/step-ca.service"
QDRANT = f"{UNITS}/phoenix-container-qdrant.service"
REGISTRATION = f"{UNITS}/phoenix-register-agents.service"
EDGE = "/etc/nginx/conf.d/phoenix.conf"


def planned(estate: Estate, name: str, *files: str) -> list[str]:
    """The changes on a guest that has files of Phoenix."""
    resources = leftover_resources(estate.guest(name))
    marks = {one.pattern: one.mark for one in resources if isinstance(one, Leftovers)}
    host = SimulatedHost({file: Entry(marks.get(file, "").encode()) for file in files})
    changes = host.plan(resources)
    assert host.converge(resources).plan(resources) == []
    return changes


@pytest.mark.parametrize(
    ("name", "groups", "files", "changes"),
    [
        ("traefik", ["traefik"], [TRAEFIK], [f"remove file {TRAEFIK}"]),
        ("traefik", [], [TRAEFIK], []),
        ("step-ca", ["step_ca"], [CA], [f"remove file {CA}"]),
        ("nginx-gateway", ["nginx"], [EDGE], ["stop unit nginx.service", f"remove file {EDGE}"]),
        ("nginx-gateway", ["nginx"], [], []),
        ("nginx-gateway", [], [EDGE], []),
        ("drphoenix", ["portainer_agent"], [EDGE, QDRANT], ["stop unit nginx.service", f"remove file {EDGE}"]),
        ("drphoenix", ["docker"], [EDGE, QDRANT], [f"remove file {QDRANT}"]),
        ("portainer", ["portainer"], [REGISTRATION, QDRANT], [f"remove file {REGISTRATION}"]),
    ],
)
def test_group_is_left(name: str, groups: list[str], files: list[str], changes: list[str]) -> None:
    """The units and settings of a group go with it, and nothing of the groups that the guest is in."""
    estate = example()
    for group in groups:
        estate = without_group(estate, name, group)
    assert planned(estate, name, *files) == changes


BARE = guest("bare", 30, "lxc")
WRITTEN = {
    f"{title}-{part.path}": part
    for title in STEPS
    for part in parts(resources(title))
    if isinstance(part, File) and "pve" not in title
}


@pytest.mark.parametrize("left", [one for one in leftover_resources(BARE) if isinstance(one, Leftovers)], ids=str)
def test_marks_are_what_is_written(left: Leftovers) -> None:
    """What is looked for as a leftover is what a group's task writes."""
    texts = [file.content for file in WRITTEN.values() if fnmatch(file.path, left.pattern)]
    assert texts
    assert [text for text in texts if left.mark not in text] == []


def test_files_of_others_stay() -> None:
    """A file without the mark at the path of a former group is another's."""
    resources = leftover_resources(BARE)
    host = SimulatedHost({one.pattern: Entry(b"theirs\n") for one in resources if isinstance(one, Leftovers)})
    assert host.plan(resources) == []
