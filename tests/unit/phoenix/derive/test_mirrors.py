"""Guests that must install packages need egress to their mirrors."""

from __future__ import annotations

import pytest

from phoenix.derive.mirrors import DEFAULT_MIRROR, Mirror, has_usual_ports, mirror_problems, open_ports, read_mirrors
from phoenix.estate import Estate
from phoenix.estate.model import Egress
from tests.support.estates import estate, guest

APP, DB = guest("app", 20), guest("db", 21)


def with_egress(*ports: int, protocol: str = "tcp") -> Estate:
    """An estate that permits connections to these ports."""
    made = estate(APP, DB)
    egress = (Egress.model_validate({"protocol": protocol, "ports": ports, "purpose": "x"}),) if ports else ()
    return made.model_copy(update={"settings": made.settings.model_copy(update={"egress": egress})})


@pytest.mark.parametrize(
    ("made", "ports", "usual"),
    [
        (with_egress(), set(), False),
        (with_egress(443), {443}, False),
        (with_egress(80, 443), {80, 443}, True),
        (with_egress(80, protocol="udp"), set(), False),
    ],
)
def test_ports(made: Estate, ports: set[int], usual: bool) -> None:  # noqa: FBT001
    """The open ports are those of `egress`, by TCP."""
    assert open_ports(made, APP) == ports
    assert has_usual_ports(made, APP) is usual


@pytest.mark.parametrize(
    ("sites", "mirrors"),
    [
        (["http://deb.debian.org/debian", "http://deb.debian.org/debian"], (Mirror(80, "deb.debian.org"),)),
        (["https://a.example/x", "http://b.example:3142/x"], (Mirror(443, "a.example"), Mirror(3142, "b.example"))),
        (["file:/srv/mirror", "cdrom:[x]/", "mirror+file:/etc/apt/m", "copy:/x"], ()),
        (["http://10.0.0.5:3142/debian", "http://apt.home.lab/x", "http://aptcache:3142/"], ()),
        ([], ()),
    ],
)
def test_mirrors(sites: list[str], mirrors: tuple[Mirror, ...]) -> None:
    """Mirrors are read from apt's sites; those on disk or in private networks need no egress."""
    made = with_egress()
    sites = [site.replace("home.lab", made.zone) for site in sites]
    assert read_mirrors(made, sites) == mirrors


def test_problems() -> None:
    """Guests that lack the same port are named together, with ports, packages and what to add; others are not."""
    needs = {"app": ((DEFAULT_MIRROR,), ("curl", "nginx")), "db": ((DEFAULT_MIRROR,), ("curl",))}
    (both,) = mirror_problems(with_egress(443), needs)
    assert both.startswith(
        "app, db: each needs egress tcp/80 to its package mirror to install curl, nginx: add {protocol"
    )
    (one,) = mirror_problems(
        with_egress(80), {"app": ((DEFAULT_MIRROR, Mirror(443, "a.example")), ("curl",)), "db": ((), ())}
    )
    assert one.startswith(
        "app: needs egress tcp/443 to its package mirror a.example to install curl: add {protocol: tcp"
    )
    assert list(mirror_problems(with_egress(80), {"app": ((DEFAULT_MIRROR,), ("curl",))})) == []
