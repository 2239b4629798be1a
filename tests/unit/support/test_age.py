"""The tests' own age file is one."""

from __future__ import annotations

import os

import pytest

from phoenix.pki.sealed import unseal
from tests.support.age import CHUNK, seal_lightly


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_it_is_opened(size: int) -> None:
    """What is sealed by the format's specification, the product opens."""
    content = os.urandom(size)
    assert unseal(seal_lightly(content, "a passphrase"), "a passphrase") == content
