"""Programs that run on hosts, really run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import ProgramHost


@pytest.fixture
def host(tmp_path: Path) -> ProgramHost:
    """A host in a temporary directory."""
    return ProgramHost(tmp_path)
