"""The note in a guest's description is read back as written, and the operator's text stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.pve.marker import Marker, read_marker, write_marker

FULL = Marker("phoenix-0123456789", "local:vztmpl/debian-12.tar.zst", ("prod", "web"), is_unfinished=True)


@pytest.mark.parametrize("marker", [FULL, Marker("phoenix-0123456789"), Marker("phoenix-0", tags=("a",), waits=True)])
@pytest.mark.parametrize("text", ["", "mine", "mine\n", "# Head\n\n<!-- other -->\n"])
def test_round_trip(marker: Marker, text: str) -> None:
    """A note is read as it was written, into whatever description."""
    written = write_marker(text, marker)
    assert read_marker(written) == marker
    assert written.startswith(text)


@pytest.mark.parametrize("description", [None, "", "phoenix", "<!-- phoenixes owner=x -->", "<!-- other -->"])
def test_no_note(description: str | None) -> None:
    """A description without a note has none."""
    assert read_marker(description) is None


@given(text=st.text(st.characters(blacklist_characters="<>", blacklist_categories=("Cs", "Cc")), max_size=30))
def test_replaced(text: str) -> None:
    """A later note replaces the earlier one; writing the same note again changes nothing."""
    once = write_marker(text, FULL)
    other = write_marker(once, Marker("phoenix-1"))
    assert read_marker(other) == Marker("phoenix-1")
    assert write_marker(other, FULL) == once
    assert write_marker(once, FULL) == once
