"""Domain names: which domain a name is in (RFC 1034, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable


def domain_of(name: str, domains: Iterable[str]) -> str | None:
    """Find the longest of some domains that a name is in, or is; None if it is in none."""
    within = (domain for domain in domains if name == domain or name.endswith(f".{domain}"))
    return max(within, key=len, default=None)
