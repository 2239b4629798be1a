"""Keys in a JSON file that an operator writes, too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phoenix.converge import JsonKeys, Observation
from phoenix.converge.observe import FileStat
from phoenix.errors import TaskFailedError

PATH, RECORD = "/etc/app.json", "/var/lib/phoenix/app.json"
KEYS = JsonKeys(PATH, {"dns": ["10.0.0.53"], "live-restore": True}, RECORD)
OURS: dict[str, Any] = {**KEYS.values}
THEIRS = {
    "registry-mirrors": ["https://mirror.test"],
    "runtimes": {"nvidia": {"path": "runtime"}},
    "log-driver": "local",
}


def seen(text: str | None, recorded: str | None = None, mode: str = "0644", owner: str = "root:root") -> Observation:
    """An observation of the file and the record."""
    contents = {PATH: text, RECORD: recorded}
    found = Observation(contents={path: text.encode() for path, text in contents.items() if text is not None})
    if text is not None:
        found.stats[PATH] = FileStat("regular file", mode, owner, len(text), 0)
    return found


def written(observation: Observation) -> tuple[Any, Any] | None:
    """What the changes write to the file and the record; None without a change."""
    changes = KEYS.changes(observation)
    if not changes:
        return None
    file, record = (change.script.split(" ", 4)[4].strip("'") for change in changes)
    return json.loads(file), json.loads(record)


@pytest.mark.parametrize(
    ("before", "recorded", "after"),
    [
        (None, None, (OURS, sorted(OURS))),
        ({}, None, (OURS, sorted(OURS))),
        (OURS, None, None),
        ({**THEIRS, **OURS}, None, None),
        (THEIRS, None, ({**THEIRS, **OURS}, sorted(OURS))),
        ({**THEIRS, **OURS, "dns": ["8.8.8.8"]}, None, ({**THEIRS, **OURS}, ["dns"])),
        ({**OURS, "ipv6": True}, ["dns", "ipv6"], (OURS, ["dns"])),
        ({**OURS, "ipv6": True}, ["dns"], None),
    ],
)
def test_keys(before: Any, recorded: Any, after: Any) -> None:
    """Only Phoenix's keys change; a key that it no longer needs is removed only if it had set it."""
    observation = seen(None if before is None else json.dumps(before), recorded and json.dumps(recorded))
    assert written(observation) == after


@pytest.mark.parametrize("text", ["", " \n", json.dumps(THEIRS)])
def test_file_of_any_form(text: str) -> None:
    """An empty file counts as one without keys; a damaged record as an empty one."""
    before = json.loads(text) if text.strip() else {}
    assert written(seen(text, "{damaged")) == ({**before, **OURS}, sorted(OURS))


@pytest.mark.parametrize("text", ['{"dns": [', "[]", '"text"', "{'dns': 1}"])
def test_unreadable_file(text: str) -> None:
    """A file that is no JSON object is refused with what to do, and not overwritten."""
    with pytest.raises(TaskFailedError, match=r"/etc/app\.json is not .*Correct it, or move it away"):
        KEYS.changes(seen(text))


@pytest.mark.parametrize(
    ("mode", "owner", "put"),
    [
        ("0600", "root:root", None),
        ("0640", "root:docker", None),
        ("0664", "root:docker", "root:root 0644"),
        ("0644", "app:app", "root:root 0644"),
    ],
)
def test_owner_and_mode(mode: str, owner: str, put: str | None) -> None:
    """Owner and mode stay, unless others than root can change the file; the text then stays as it is."""
    text = json.dumps(OURS)
    changes = KEYS.changes(seen(text, None, mode, owner))
    assert [change.script for change in changes[:1]] == ([f"put {PATH} {put} '{text}'"] if put else [])


def test_reason() -> None:
    """The reason names the keys that differ."""
    (change, _) = KEYS.changes(seen(json.dumps({**OURS, "dns": []})))
    assert (change.reason, change.verb) == ("differs in dns", "update")
