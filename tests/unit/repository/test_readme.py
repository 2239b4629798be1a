"""The README's commands give the token exactly the privileges of the lab's token."""

from __future__ import annotations

import re

from phoenix.lab.pve.role import ROLE
from tests.support.places import ROOT

README = (ROOT / "README.md").read_text()


def test_the_role_is_the_one_the_lab_enforces() -> None:
    """The README's role has exactly the privileges that the lab enforces."""
    privileges = re.search(r'--privs "([^"]+)"', README)
    assert privileges is not None
    assert set(privileges[1].replace("\\\n", "").split()) == ROLE
