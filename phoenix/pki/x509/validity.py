"""Validity periods of certificates: when a chain ends, and whether a lifetime is the requested one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from phoenix.estate.duration import format_duration

BACKDATED = timedelta(minutes=2)
"""step-ca sets notBefore slightly before the time of issue, to tolerate slow clocks."""


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def chain_end(chain: list[x509.Certificate]) -> datetime:
    """When the chain expires: the earliest notAfter of its certificates."""
    return min(certificate.not_valid_after_utc for certificate in chain)


def lifetime_mismatch(certificate: x509.Certificate, wanted: timedelta) -> str | None:
    """Explain that a certificate's lifetime differs from the wanted one; None if it does not."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if timedelta() <= lifetime - wanted <= BACKDATED:
        return None
    return f"its lifetime is {format_remaining(lifetime)}, the inventory says {format_duration(wanted)}"


def format_remaining(time: timedelta) -> str:
    """Format a duration for a person: in days from two days on, in hours from two hours on, else in minutes."""
    minutes = time.total_seconds() / 60
    if minutes >= 2 * 24 * 60:
        return f"{minutes / 24 / 60:.0f} d"
    return f"{minutes / 60:.1f} h" if minutes >= 120 else f"{minutes:.0f} min"  # noqa: PLR2004  # minutes
