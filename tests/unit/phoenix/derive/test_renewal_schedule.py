"""The schedule of renewal follows from how long before expiry a leaf is renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from phoenix.derive.certificates import certificates, server_leaf
from phoenix.derive.renewal_schedule import check_interval, jitter, stem
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
def test_interval(lifetime: str, before: str, every: timedelta) -> None:
    """The interval permits eight attempts before expiry, within the limits of 20 seconds and one hour."""
    validity = Validity.model_validate({"lifetime": lifetime, "renew_before": before})
    leaf = replace(server_leaf(example(), "portainer"), validity=validity)
    assert check_interval(leaf) == every
    assert jitter(leaf) == every / 4


def test_lifetimes_follow_the_inventory() -> None:
    """The validity of a leaf is that of its service, or else the estate's default."""
    estate = example()
    special = Validity.model_validate({"lifetime": "2d", "renew_before": "1d"})
    guest = next(guest for guest in estate.guests if guest.name == "drphoenix")
    services = {
        **guest.services,
        "portainer-agent": guest.services["portainer-agent"].model_copy(update={"certificate": special}),
    }
    changed = guest.model_copy(update={"services": services})
    others = tuple(changed if one.name == guest.name else one for one in estate.guests)
    validities = {leaf.name: leaf.validity for leaf in certificates(estate.model_copy(update={"guests": others}))}
    default = estate.settings.ca.leaf
    assert validities == {
        "internal_traefik_proxy": default,
        "portainer": default,
        "portainer-agent": special,
        "portainer-agent-client": special,
    }


def test_default_time_of_renewal() -> None:
    """By default, a certificate is renewed after two thirds of its lifetime."""
    assert Validity.model_validate({"lifetime": "9d"}).before == timedelta(days=3)


def test_stem() -> None:
    """The name of a unit has no underscore."""
    assert stem(server_leaf(example(), "internal_traefik_proxy")) == "internal-traefik-proxy"
