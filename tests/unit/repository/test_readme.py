"""The README's commands give the token exactly what the lab's token has."""

from __future__ import annotations

import re

from phoenix.lab.pve.role import ROLE
from tests.support.places import ROOT

README = (ROOT / "README.md").read_text()


def test_the_role_is_the_one_the_lab_enforces() -> None:
    """Who creates the role as the README says can deploy what the lab deploys, and no more."""
    privileges = re.search(r'--privs "([^"]+)"', README)
    assert privileges is not None
    assert set(privileges[1].replace("\\\n", "").split()) == ROLE
