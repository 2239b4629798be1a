"""What is sealed is opened by its passphrase alone, and a file appears whole, private, and never over another."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from phoenix.cli.passphrase import VARIABLE, read_key, read_passphrase, read_sealed, refuse_existing, write_sealed
from phoenix.pki.sealed import SealError, public_half, seal, unseal
from tests.unit.phoenix.pki.certificates import key, public

PASSPHRASE = "twelve characters and more"
PRIVATE = key("root").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed private key; its passphrase lies beside it."""
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "passphrase").write_text(f"{PASSPHRASE}\nnot this line\n", "utf-8")
    write_sealed(folder / "key.age", PRIVATE.encode(), PASSPHRASE)
    return folder / "key.age"


@pytest.fixture
def sealed(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sealed key, with its passphrase where the environment says."""
    monkeypatch.setenv(VARIABLE, str(written.with_name("passphrase")))
    return written


def test_only_the_passphrase_opens(written: Path) -> None:
    """Another passphrase opens nothing, and what was never sealed cannot be opened."""
    content = written.read_bytes()
    assert PRIVATE.splitlines()[1].encode() not in content
    for wrong, passphrase in ((content, PASSPHRASE + "x"), (b"nothing", PASSPHRASE)):
        with pytest.raises(SealError, match="does not open"):
            unseal(wrong, passphrase)


def test_short_passphrase() -> None:
    """A passphrase that can be guessed is refused."""
    with pytest.raises(SealError, match="at least 12"):
        seal(b"", "eleven char")


def test_file(sealed: Path) -> None:
    """The file is its owner's alone, holds the key, is never written over, and leaves nothing beside it."""
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert read_passphrase() == PASSPHRASE
    with pytest.raises(SealError, match="exists"):
        refuse_existing(sealed)
    with pytest.raises(FileExistsError):
        write_sealed(sealed, b"", PASSPHRASE)
    assert read_key(sealed) == PRIVATE
    assert sorted(file.name for file in sealed.parent.iterdir()) == ["key.age", "passphrase"]


def test_what_cannot_be_read(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a file of another kind, and a passphrase that nobody can be asked for are said."""
    with pytest.raises(SealError, match="cannot be read"):
        read_sealed(sealed.with_name("absent"))
    with pytest.raises(SealError, match="no private key"):
        public_half("no key")
    with pytest.raises(SealError, match="no directory"):
        refuse_existing(sealed.parent / "absent" / "file")
    monkeypatch.setenv(VARIABLE, str(sealed.with_name("absent")))
    with pytest.raises(SealError, match=VARIABLE):
        read_passphrase()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(SealError, match="no terminal"):
        read_passphrase()


def test_public_half() -> None:
    """The public half of a private key is the one that openssl prints."""
    assert public_half(PRIVATE) == public("root").strip()
