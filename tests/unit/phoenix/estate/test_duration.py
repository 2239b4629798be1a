"""Durations: the inventory's syntax, Go's syntax, and Traefik's renewal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.estate import MeshValidity
from phoenix.estate.duration import format_duration, go_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("10y", timedelta(days=3650)),
    ],
)
def test_parse(text: str, duration: timedelta) -> None:
    """A duration is a number with a unit."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "7", "0d", "-1d", "1.5h", "7 d", "7D", "7w", "101y", 7, None, True, ["7d"]])
def test_refused(text: object) -> None:
    """Other text, and values of other types, are rejected."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(1, 99_999), st.sampled_from("smhd"))
def test_round_trip(number: int, unit: str) -> None:
    """A formatted duration parses to the same duration; Go's syntax has whole seconds."""
    duration = parse_duration(f"{number}{unit}") if number < 30_000 else timedelta(days=3)
    assert parse_duration(format_duration(duration)) == duration
    assert go_duration(duration) == f"{int(duration.total_seconds())}s"


@pytest.mark.parametrize(
    ("lifetime", "hours", "before"),
    [
        ("25m", 1, timedelta(minutes=20)),
        ("23h", 23, timedelta(minutes=20)),
        ("24h", 24, timedelta(hours=6)),
        ("7d", 168, timedelta(days=1)),
        ("30d", 720, timedelta(days=10)),
        ("90d", 2160, timedelta(days=30)),
    ],
)
def test_traefik_renews(lifetime: str, hours: int, before: timedelta) -> None:
    """The mesh's hours and its time of renewal are those of Traefik."""
    mesh = MeshValidity.model_validate({"lifetime": lifetime})
    assert (mesh.hours, mesh.before) == (hours, before)
