"""The recorded verdicts of Proxmox's own simulator, if they are on this machine."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.support.places import SHARED

ORACLE = SHARED / "oracles/pve-firewall-verdicts.json.gz"
RECORDED = pytest.mark.skipif(not ORACLE.exists(), reason=f"{ORACLE}: the recorded verdicts are not on this machine")


def recorded_cases() -> list[dict[str, Any]]:
    """The recorded configurations with their packets."""
    cases: list[dict[str, Any]] = json.loads(gzip.decompress(ORACLE.read_bytes()))
    return cases
