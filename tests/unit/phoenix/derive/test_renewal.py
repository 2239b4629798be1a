"""How often a host looks after its leaves follows from how long before their end they are renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from phoenix.derive.certificates import certificates, server_leaf
from phoenix.derive.renewal import jitter, looks_every, stem
from phoenix.estate import Validity
from tests.support.inventories import example


@pytest.mark.parametrize(
    ("lifetime", "before", "every"),
    [
        ("7d", "3d", timedelta(hours=1)),
        ("24h", "4h", timedelta(minutes=30)),
        ("6m", "4m", timedelta(seconds=30)),
        ("5m", "1m", timedelta(seconds=20)),
    ],
)
def test_looks(lifetime: str, before: str, every: timedelta) -> None:
    """A renewal is tried several times before it is too late, at most every hour and at least every 20 seconds."""
    validity = Validity.model_validate({"lifetime": lifetime, "renew_before": before})
    leaf = replace(server_leaf(example(), "portainer"), validity=validity)
    assert looks_every(leaf) == every
    assert jitter(leaf) == every / 4


def test_lifetimes_follow_the_inventory() -> None:
    """A leaf lives as its service says, else as the estate does."""
    estate = example()
    special = Validity.model_validate({"lifetime": "2d", "renew_before": "1d"})
    guest = next(guest for guest in estate.guests if guest.name == "drphoenix")
    services = {
        **guest.services,
        "portainer-agent": guest.services["portainer-agent"].model_copy(update={"certificate": special}),
    }
    changed = guest.model_copy(update={"services": services})
    others = tuple(changed if one.name == guest.name else one for one in estate.guests)
    found = {leaf.name: leaf.validity for leaf in certificates(estate.model_copy(update={"guests": others}))}
    usual = estate.settings.ca.leaf
    assert found == {
        "internal_traefik_proxy": usual,
        "portainer": usual,
        "portainer-agent": special,
        "portainer-agent-client": special,
    }


def test_nothing_said() -> None:
    """Where no point of renewal is said, it is after two thirds of the life."""
    assert Validity.model_validate({"lifetime": "9d"}).before == timedelta(days=3)


def test_stem() -> None:
    """A unit's name has no underscore."""
    assert stem(server_leaf(example(), "internal_traefik_proxy")) == "internal-traefik-proxy"
