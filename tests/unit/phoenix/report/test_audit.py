"""The three forms of an audit's report."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from phoenix.pki.audit.finding import CommonRole, Finding, note, red, yellow
from phoenix.report.audit import as_csv, as_json, write_report

LEAF = Finding(
    "app", "/etc/tls/door.crt", "certificate", "door",
    subject="door.lab.test", names=("door.lab.test", "10.0.0.20"), issuer="middle", readers=("nginx",),
    ends=datetime(2026, 3, 1, 12, tzinfo=UTC), days_left=1.0, key="EC P-256", owner="root:root", mode="0644",
)  # fmt: skip
KEY = replace(LEAF, path="/etc/tls/door.key", kind="key", names=(), ends=None, days_left=None, mode="0600")
DEAD = Finding(
    "app", "/srv/dead.crt", "certificate", CommonRole.UNMANAGED,
    subject="dead", issuer="dead", days_left=-1.0, owner="root:root", mode="0644",
    flags=(red("expired", "expired 24.0 h ago"), red("stranger", "the inventory does not derive it")),
)  # fmt: skip
STORE = Finding("app", f"/opt/{'long/' * 20}cacert.pem", "store", flags=(yellow("store", "a store"),))
ROOT = Finding("ca", "/ca/root_ca.crt", "certificate", CommonRole.AUTHORITY, flags=(note("root key", "it is offline"),))
FINDINGS = (DEAD, STORE, LEAF, KEY, ROOT)


def test_json() -> None:
    """JSON has every finding with all of its fields; the keys and values are an interface."""
    dead, _, leaf, _, _ = json.loads(as_json(FINDINGS))
    assert leaf == {
        "status": "good", "host": "app", "path": "/etc/tls/door.crt", "kind": "certificate", "role": "door",
        "subject": "door.lab.test", "names": ["door.lab.test", "10.0.0.20"], "issuer": "middle", "readers": ["nginx"],
        "ends": "2026-03-01T12:00:00Z", "days_left": 1.0, "key": "EC P-256", "owner": "root:root", "mode": "0644",
        "public": None, "fingerprint": None, "flags": [],
    }  # fmt: skip
    assert (dead["status"], dead["role"]) == ("red", "stranger")
    assert dead["flags"][0] == {"level": "red", "kind": "expired", "text": "expired 24.0 h ago"}


def test_csv() -> None:
    """CSV has the same findings with the same columns."""
    records = list(csv.DictReader(StringIO(as_csv(FINDINGS))))
    assert [record["path"] for record in records] == [finding.path for finding in FINDINGS]
    assert records[0].keys() == json.loads(as_json(FINDINGS))[0].keys()
    assert records[0]["flags"] == "expired: expired 24.0 h ago; stranger: the inventory does not derive it"
    assert (records[0]["role"], records[2]["names"]) == ("stranger", "door.lab.test 10.0.0.20")


def test_table(tmp_path: Path) -> None:
    """The table fits 120 columns, begins with the red findings, and joins a leaf and its key in one line."""
    write_report(FINDINGS, "table", tmp_path / "table")
    lines = (tmp_path / "table").read_text("utf-8").splitlines()
    table = lines[lines.index("") :]
    assert max(map(len, table)) <= 120
    assert lines[0] == "✗ app /srv/dead.crt"
    assert lines[-1] == "5 rows on 2 hosts: 1 red, 1 yellow"
    (leaf,) = [line for line in table if "/etc/tls/" in line]
    assert leaf.split() == [
        "/etc/tls/door.crt",
        "door.lab.test",
        "+1",
        "nginx",
        "24.0",
        "h",
        "EC",
        "P-256",
        "0644",
        "0600",
        "root",
    ]
    assert "ca /ca/root_ca.crt: it is offline" in table
