"""A name is in a domain label by label."""

from __future__ import annotations

import pytest

from phoenix.estate.domains import domain_of


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.example", "a.example"),
        ("www.a.example", "a.example"),
        ("www.b.a.example", "b.a.example"),
        ("aa.example", None),
        ("example", None),
        ("a.example.org", None),
    ],
)
def test_domain_of(name: str, domain: str | None) -> None:
    """The longest domain is found; a name that only ends with the same letters is in none."""
    assert domain_of(name, ("a.example", "b.a.example")) == domain
