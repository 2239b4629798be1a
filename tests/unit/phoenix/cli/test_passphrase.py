"""Sealed files of the operator: complete, private, never overwriting a file, and opened by their passphrase."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from phoenix.cli.passphrase import VARIABLE, read_key, read_passphrase, read_sealed, refuse_existing, write_sealed
from phoenix.pki.sealed import SealError
from tests.support.age import seal_lightly
from tests.unit.phoenix.pki.certificates import key

PASSPHRASE = "twelve characters and more"
PRIVATE = key("root").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seal a private key, with its passphrase in a file that the environment names; age's work factor is reduced."""
    monkeypatch.setattr(pyrage.passphrase, "encrypt", seal_lightly)
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\nnot this line\n", "utf-8")
    write_sealed(tmp_path / "key.age", PRIVATE.encode(), PASSPHRASE)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "passphrase"))
    return tmp_path / "key.age"


def test_file(sealed: Path) -> None:
    """The file is readable by its owner only, holds the key, and has no temporary file beside it."""
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert PRIVATE.splitlines()[1].encode() not in sealed.read_bytes()
    assert read_passphrase() == PASSPHRASE
    assert read_key(sealed) == PRIVATE
    assert sorted(file.name for file in sealed.parent.iterdir()) == ["key.age", "passphrase"]


def test_existing_file(sealed: Path) -> None:
    """An existing file is never overwritten."""
    with pytest.raises(SealError, match="exists"):
        refuse_existing(sealed)
    with pytest.raises(FileExistsError):
        write_sealed(sealed, b"", PASSPHRASE)
    assert read_key(sealed) == PRIVATE


def test_missing_file(sealed: Path) -> None:
    """A missing file and a missing directory are reported."""
    with pytest.raises(SealError, match="cannot be read"):
        read_sealed(sealed.with_name("absent"))
    with pytest.raises(SealError, match="not a writable directory"):
        refuse_existing(sealed.parent / "absent" / "file")


def test_missing_passphrase(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing passphrase file, and a missing terminal for the prompt, are reported."""
    monkeypatch.setenv(VARIABLE, str(sealed.with_name("absent")))
    with pytest.raises(SealError, match=VARIABLE):
        read_passphrase()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(SealError, match="no terminal"):
        read_passphrase()


def test_failed_verification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not open to the same content is not kept."""
    monkeypatch.setattr(pyrage.passphrase, "encrypt", lambda _, passphrase: seal_lightly(b"other", passphrase))
    with pytest.raises(SealError, match="cannot be read back"):
        write_sealed(tmp_path / "key.age", b"content", PASSPHRASE)
    assert list(tmp_path.iterdir()) == []
