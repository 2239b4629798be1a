"""Durations for people, and the comparison of a certificate's lifetime with the wanted one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from phoenix.pki.x509.validity import format_remaining, lifetime_mismatch
from tests.unit.phoenix.pki.certificates import HOUR, certificate

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (30 * MINUTE, "30 min"),
        (119 * MINUTE, "119 min"),
        (2 * HOUR, "2.0 h"),
        (47.5 * HOUR, "47.5 h"),
        (48 * HOUR, "2 d"),
        (2400 * HOUR, "100 d"),
    ],
)
def test_format_remaining(time: timedelta, text: str) -> None:
    """The unit is the largest one of which there are at least two."""
    assert format_remaining(time) == text


@pytest.mark.parametrize(
    ("lifetime", "mismatch"),
    [
        (24 * HOUR, None),
        (24 * HOUR + 2 * MINUTE, None),
        (24 * HOUR + 3 * MINUTE, "its lifetime is 24.1 h, the inventory says 1d"),
        (23 * HOUR, "its lifetime is 23.0 h, the inventory says 1d"),
    ],
)
def test_lifetime_mismatch(lifetime: timedelta, mismatch: str | None) -> None:
    """A lifetime may exceed the wanted one by what step-ca backdates, and never fall short of it."""
    loaded = x509.load_pem_x509_certificate(certificate("a", "root", end=lifetime - HOUR).encode())
    assert lifetime_mismatch(loaded, 24 * HOUR) == mismatch
