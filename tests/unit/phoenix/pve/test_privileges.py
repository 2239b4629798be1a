"""Missing privileges of the API token are found."""

from __future__ import annotations

import pytest

from phoenix.pve.privileges import missing_privileges, needed_privileges
from tests.support.inventories import example

NODE = example().hypervisors[0]


def grant(version: str, *without: tuple[str, str]) -> dict[str, dict[str, int]]:
    """The needed privileges, each granted on its own path, without some."""
    granted: dict[str, dict[str, int]] = {}
    for path, privilege in needed_privileges(example(), NODE, version):
        if (path, privilege) not in without:
            granted.setdefault(path, {})[privilege] = 1
    return granted


@pytest.mark.parametrize("version", ["8.4.1", "9.0.10"])
def test_enough(version: str) -> None:
    """With the listed privileges, none is missing."""
    assert missing_privileges(grant(version), example(), NODE, version) == []


@pytest.mark.parametrize("lack", sorted(set(needed_privileges(example(), NODE, "9.1"))))
def test_each_is_missed(lack: tuple[str, str]) -> None:
    """Each privilege that is not granted is reported, by path and name."""
    assert missing_privileges(grant("9.1", lack), example(), NODE, "9.1") == [lack]


def test_agent_of_the_version() -> None:
    """Proxmox VE 9 has other privileges for the guest agent than 8, and rejects the old one."""
    assert ("/vms", "VM.Monitor") in set(needed_privileges(example(), NODE, "8.4"))
    assert "VM.Monitor" not in {privilege for _, privilege in needed_privileges(example(), NODE, "9.0")}


def test_grants_above() -> None:
    """A grant above a path counts only if it propagates."""
    every = {privilege: 1 for _, privilege in needed_privileges(example(), NODE, "9.1")}
    assert missing_privileges({"/": every}, example(), NODE, "9.1") == []
    here_only = dict.fromkeys(every, 0)
    assert {path for path, _ in missing_privileges({"/": here_only}, example(), NODE, "9.1")} == {
        path for path, _ in needed_privileges(example(), NODE, "9.1") if path != "/"
    }
