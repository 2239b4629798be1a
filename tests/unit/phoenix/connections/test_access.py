"""The access file: rejected if it is missing, readable by others, or not valid; the message contains no secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix.connections.access import AccessError, access_path, read_access
from tests.support.chains import Authority

GOOD = f"""\
pve:
  api:
    url: https://10.0.0.13:8006
    fingerprint: {":".join(["AB"] * 32)}
    token_id: phoenix@pve!deploy
    token_secret: 11111111-2222-3333-4444-555555555555
  ssh:
    host: 10.0.0.13
    host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1
    key_file: /root/.ssh/phoenix
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an access file with replaced words."""

    def write_file(old: str = "", new: str = "", mode: int = 0o600) -> Path:
        path = tmp_path / "access.yaml"
        assert old in GOOD
        path.write_text(GOOD.replace(old, new) if old else GOOD)
        path.chmod(mode)
        return path

    return write_file


def test_valid(write: Callable[..., Path]) -> None:
    """A valid file is read; no representation of it contains the secret."""
    access = read_access(write(), ("pve",))["pve"]
    assert access.api.token_secret.get_secret_value().startswith("1111")
    assert (access.ssh.port, access.ssh.user) == (22, "root")
    assert "1111" not in repr(access) + str(access.model_dump())


PIN = f"    fingerprint: {':'.join(['AB'] * 32)}\n"


def test_authority(write: Callable[..., Path], tmp_path: Path) -> None:
    """A CA can be trusted instead of a fingerprint or in addition, for the URL's host or for another name."""
    authority = Authority(tmp_path)
    ca = f"    ca: {authority.root}\n"
    only_ca = read_access(write(PIN, ca), ("pve",))["pve"].api
    assert (only_ca.fingerprint, only_ca.server) == (None, "10.0.0.13")
    assert only_ca.anchors().pem == authority.root.read_text()
    both = read_access(write(PIN, f"{PIN}{ca}    name: node.lab.test\n"), ("pve",))["pve"].api
    assert both.fingerprint is not None
    assert both.server == "node.lab.test"
    assert read_access(write(), ("pve",))["pve"].api.anchors().anchors == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_readable_by_others(write: Callable[..., Path], mode: int) -> None:
    """A file with permissions for others is rejected, and the message has the command that corrects it."""
    path = write(mode=mode)
    with pytest.raises(AccessError, match=f"has mode {mode:04o}: chmod 600 {path}"):
        read_access(path, ("pve",))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  ssh:", "  shh:", "pve.ssh: Field required"),
        ("    host: ", "    hots: ", "pve.ssh.host: Field required"),
        ("    key_file", "    password: hunter2\n    key_file", "pve.ssh.password: Extra inputs are not permitted"),
        ("https://", "http://", "pve.api.url: String should match"),
        ("AB:AB:AB", "AB:AB", "pve.api.fingerprint: String should match"),
        (PIN, "", "pve.api: Value error, needs 'fingerprint' or 'ca'"),
        (PIN, "    ca: /no/where.crt\n", "the anchors of 'ca' cannot be read: /no/where.crt: [Errno 2]"),
        (PIN, "    ca: /dev/null\n", "the anchors of 'ca' cannot be read: /dev/null: there is no certificate in it"),
        (PIN, PIN + "    name: node.lab.test\n", "set 'ca' as well"),
        ("phoenix@pve!deploy", "phoenix@pve", "pve.api.token_id: String should match"),
        ("ssh-ed25519 ", "", "pve.ssh.host_key: String should match"),
        ("    host: 10.0.0.13\n", "    host: 10.0.0.13\n    port: 0\n", "pve.ssh.port"),
        ("pve:\n", "other:\n", "has no entry for pve; it has 'other': add the entry, or correct"),
        (GOOD, "", "Input should be"),
        (GOOD, "- a", "Input should be"),
        (GOOD, "a: [", "cannot be read"),
        (GOOD, "a: 2024-99-99", ""),
        ("11111111-2222-3333-4444-555555555555", "", "pve.api.token_secret"),
        ("11111111-2222-3333-4444-555555555555", "<the token's secret>", "pve.api.token_secret"),
    ],
)
def test_wrong(write: Callable[..., Path], old: str, new: str, says: str) -> None:
    """The message names the file and the key of a mistake, and contains no secret."""
    with pytest.raises(AccessError) as rejected:
        read_access(write(old, new), ("pve",))
    assert says in str(rejected.value)
    assert str(write()) in str(rejected.value)
    assert "1111-2222" not in str(rejected.value)
    assert "hunter2" not in str(rejected.value)


def test_missing(tmp_path: Path) -> None:
    """The message names a missing file."""
    with pytest.raises(AccessError, match=r"none.yaml does not exist; it defines the access to"):
        read_access(tmp_path / "none.yaml", ("pve",))


def test_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the real estate is the operator's own or the one that the environment names; the lab has its own."""
    monkeypatch.delenv("PHOENIX_ACCESS", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert access_path(lab=False) == Path.home() / ".config/phoenix/access.yaml"
    monkeypatch.setenv("PHOENIX_ACCESS", "/x/y.yaml")
    monkeypatch.setenv("PHOENIX_LAB", "/lab")
    assert (access_path(lab=False), access_path(lab=True)) == (Path("/x/y.yaml"), Path("/lab/access.yaml"))
