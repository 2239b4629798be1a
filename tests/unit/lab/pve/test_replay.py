"""The lab answers the recorded requests as the real Proxmox VE 8.4 node did."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.packet_filter.files import parse
from tests.support.lab_pve import make, serving
from tests.support.recorded_situation import situation
from tests.support.recordings import RECORDED, Session, sessions
from tests.support.replay import Replay, ReplayPve


@pytest.mark.parametrize("session", sessions(), ids=str)
def test_lab_answers_a_recorded_session_as_the_real_node_did(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request gets the recorded status, reason and shape, and reads of configuration the recorded values."""
    monkeypatch.setattr("phoenix.lab.pve.guests.rootfs.CONTAINERS", tmp_path / "ct")
    pve = make(tmp_path, ReplayPve)
    with serving(pve) as client:
        replay = Replay(pve, client, situation(session))
        found = [f"{exchange}: {text}" for exchange in session.exchanges for text in replay.repeat(exchange)]
        replay.finish()
    assert found == []


def test_resulting_files_are_those_of_the_real_node(tmp_path: Path) -> None:
    """After a deployment on an empty node, the files of guests and firewall say what the real ones say."""
    session = next(session for session in sessions() if str(session) == "clean1-1")
    pve = make(tmp_path, ReplayPve)
    with serving(pve) as client:
        replay = Replay(pve, client, situation(session))
        assert [text for exchange in session.exchanges for text in replay.repeat(exchange)] == []
        replay.finish()
        pve.save()
    recorded, written = RECORDED / "etc-pve", tmp_path / "etc-pve"
    for path in recorded.glob("nodes/phoenix/lxc/*.conf"):
        assert (written / path.relative_to(recorded)).read_text() == path.read_text()
    for path in recorded.glob("firewall/*.fw"):
        assert parse(_ordered(written / path.relative_to(recorded))) == parse(_ordered(path))


def _ordered(path: Path) -> str:
    """Return a firewall file with the members of its sets in order: the real node sorts them."""
    sections = re.split(r"(?m)^(?=\[)", path.read_text())
    return "".join(
        "".join(sorted(text.splitlines(keepends=True), key=_member)) if text.startswith("[IPSET") else text
        for text in sections
    )


def _member(line: str) -> tuple[int, str]:
    return (0 if line.startswith("[") else 1, line.lstrip("!"))
