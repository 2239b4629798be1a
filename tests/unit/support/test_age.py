"""The tests' own age files are valid."""

from __future__ import annotations

import os

import pytest

from phoenix.pki.sealed import unseal
from tests.support.age import CHUNK, seal_lightly


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_it_is_opened(size: int) -> None:
    """The product opens a file that was sealed by the specification of the format."""
    content = os.urandom(size)
    assert unseal(seal_lightly(content, "a passphrase"), "a passphrase") == content
