"""Sealing with a passphrase; age's work factor is reduced here, the lab's tests use the real one."""

from __future__ import annotations

import re

import pyrage
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from phoenix.pki.sealed import SealError, public_half, seal, unseal
from tests.support.age import seal_lightly
from tests.unit.phoenix.pki.certificates import key, public

PASSPHRASE = "twelve characters and more"
CONTENT = b"the content"


@pytest.fixture(autouse=True)
def _little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyrage.passphrase, "encrypt", seal_lightly)


def test_seal_and_unseal() -> None:
    """Sealed content is unreadable, and the passphrase opens it."""
    sealed = seal(CONTENT, PASSPHRASE)
    assert CONTENT not in sealed
    assert unseal(sealed, PASSPHRASE) == CONTENT


@pytest.mark.parametrize(
    ("sealed", "passphrase"),
    [
        (seal_lightly(CONTENT, PASSPHRASE), f"{PASSPHRASE}x"),
        (seal_lightly(CONTENT, PASSPHRASE)[:-1], PASSPHRASE),
        (CONTENT, PASSPHRASE),
    ],
    ids=["wrong passphrase", "damaged", "never sealed"],
)
def test_refused(sealed: bytes, passphrase: str) -> None:
    """A wrong passphrase, damaged content and content that was never sealed are refused."""
    with pytest.raises(SealError, match="does not open"):
        unseal(sealed, passphrase)


def test_loaded_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate that other load distorted is repeated; the message of a machine that stays slow is another one."""
    sealed, decrypt = seal(CONTENT, PASSPHRASE), pyrage.passphrase.decrypt
    excessive = iter((True, True))

    def estimate(content: bytes, passphrase: str) -> bytes:
        if next(excessive, None):
            raise pyrage.DecryptError("Excessive work parameter for passphrase.")
        return decrypt(content, passphrase)

    monkeypatch.setattr(pyrage.passphrase, "decrypt", estimate)
    assert unseal(sealed, PASSPHRASE) == CONTENT
    with pytest.raises(SealError, match="too slow or too busy"):
        unseal(re.sub(rb"(-> scrypt \S+) \d+", rb"\1 30", sealed), PASSPHRASE)


def test_short_passphrase() -> None:
    """A passphrase that is too short is refused."""
    with pytest.raises(SealError, match="at least 12"):
        seal(b"", "eleven char")


def test_public_half() -> None:
    """The public half of a private key equals openssl's."""
    private = key("root").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert public_half(private) == public("root").strip()


def test_no_private_key() -> None:
    """Text that is no private key is refused."""
    with pytest.raises(SealError, match="no private key"):
        public_half("no key")
