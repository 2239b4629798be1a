"""The lab's filter gives real packets the verdicts that Proxmox's own filter gave."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix.lab.pve.packet_filter import nft
from phoenix.lab.pve.packet_filter.compiler import compile_filter
from tests.support.places import ROOT
from tests.unit.lab.pve.packet_filter.test_oracle import ORACLE, filter_input

CASES = slice(0, 300, 6)


@pytest.mark.lab
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("lab_up")
@pytest.mark.skipif(not ORACLE.exists(), reason=f"{ORACLE}: the recorded verdicts are not on this machine")
def test_packets_get_their_recorded_verdict() -> None:
    """Through bridges, nft and the kernel, packets of fifty of the oracle's configurations get the recorded verdict."""
    cases = json.loads(gzip.decompress(ORACLE.read_bytes()))[CASES]
    assert len(cases) == 50
    filters = [{"case": case, "filter": nft.render(compile_filter(filter_input(case)))} for case in cases]
    probe = (Path(__file__).parent / "oracle_probe.py").read_text()
    command = [sys.executable, str(ROOT / "runbooks/lab.py"), "exec", "pve", "--", "python3", "-c", probe]
    done = subprocess.run(command, input=json.dumps(filters), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[] for _ in cases]
