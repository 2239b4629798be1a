"""Recorded answers of the real Proxmox VE 8.4; they are not part of the repository."""

from __future__ import annotations

import json

import pytest

from tests.support.places import SHARED

RECORDED = SHARED / "oracles" / "real-pve-8.4"

needs_recordings = pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not on this machine")


def recorded_errors() -> set[str]:
    """The messages of all refused calls."""
    facts = json.loads((RECORDED / "facts.json").read_text("utf-8"))
    lines = (RECORDED / "errors.txt").read_text("utf-8").splitlines()
    bodies = [fact.get("body") for fact in facts] + [json.loads(line) for line in lines if line.startswith("{")]
    return {str(body["message"]).strip() for body in bodies if isinstance(body, dict) and body.get("message")}
