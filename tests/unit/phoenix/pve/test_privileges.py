"""What the token may lack, found before anything is touched."""

from __future__ import annotations

import pytest

from phoenix.pve.privileges import missing_privileges, needed
from tests.support.inventories import example

NODE = example().hypervisors[0]


def grant(version: str, *without: tuple[str, str]) -> dict[str, dict[str, int]]:
    """Everything that is needed, each on its own path, but for some."""
    found: dict[str, dict[str, int]] = {}
    for path, privilege in needed(example(), NODE, version):
        if (path, privilege) not in without:
            found.setdefault(path, {})[privilege] = 1
    return found


@pytest.mark.parametrize("version", ["8.4.1", "9.0.10"])
def test_enough(version: str) -> None:
    """With what the list says, nothing is missing."""
    assert missing_privileges(grant(version), example(), NODE, version) == []


@pytest.mark.parametrize("lack", sorted(set(needed(example(), NODE, "9.1"))))
def test_each_is_missed(lack: tuple[str, str]) -> None:
    """Each privilege that is taken away is told, by path and name."""
    assert missing_privileges(grant("9.1", lack), example(), NODE, "9.1") == [lack]


def test_agent_of_the_version() -> None:
    """Proxmox VE 9 has other privileges for the guest agent than 8, and refuses to hear of the old one."""
    assert ("/vms", "VM.Monitor") in set(needed(example(), NODE, "8.4"))
    assert "VM.Monitor" not in {privilege for _, privilege in needed(example(), NODE, "9.0")}


def test_grants_above() -> None:
    """A grant above a path counts only if it propagates."""
    every = {privilege: 1 for _, privilege in needed(example(), NODE, "9.1")}
    assert missing_privileges({"/": every}, example(), NODE, "9.1") == []
    here_only = dict.fromkeys(every, 0)
    assert {path for path, _ in missing_privileges({"/": here_only}, example(), NODE, "9.1")} == {
        path for path, _ in needed(example(), NODE, "9.1") if path != "/"
    }
