"""Sealed files of the operator, and their passphrase, which is never an argument and never stored."""

from __future__ import annotations

import os
import sys
from getpass import getpass
from pathlib import Path

from phoenix.pki.sealed import SealError, public_half, seal, unseal

VARIABLE = "PHOENIX_PASSPHRASE_FILE"


def read_passphrase(*, twice: bool = False) -> str:
    """Read the passphrase: the first line of $PHOENIX_PASSPHRASE_FILE, or typed; `twice` for a new one."""
    if named := os.environ.get(VARIABLE):
        try:
            return Path(named).read_text("utf-8").partition("\n")[0]
        except (OSError, ValueError) as error:
            raise SealError(f"the passphrase cannot be read from {named} ({VARIABLE}): {error}") from None
    if not sys.stdin.isatty():
        raise SealError(f"there is no terminal to ask for the passphrase at: name a file that holds it by {VARIABLE}")
    try:
        typed = getpass("Passphrase: ")
        if twice and getpass("Once more: ") != typed:
            raise SealError("the passphrases differ")
    except EOFError:
        raise SealError("no passphrase was typed") from None
    return typed


def refuse_existing(path: Path) -> None:
    """Raise SealError if the file exists or its directory is not writable."""
    if path.exists() or path.is_symlink():
        raise SealError(f"{path} exists and is not overwritten: name another file")
    if not os.access(path.parent, os.W_OK):
        raise SealError(f"{path.parent} is not a writable directory")


def write_sealed(path: Path, content: bytes, passphrase: str) -> None:
    """Write a sealed file with mode 600 and verify it; it appears complete or not at all."""
    new = path.with_name(f".{path.name}.phoenix-new")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(seal(content, passphrase))
            file.flush()
            os.fsync(file.fileno())
        if unseal(new.read_bytes(), passphrase) != content:
            raise SealError(f"what was written to {path} cannot be read back")
        os.link(new, path)
    finally:
        new.unlink(missing_ok=True)


def read_sealed(path: Path) -> bytes:
    """Open a sealed file of the operator."""
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise SealError(f"{path} cannot be read: {error.strerror}") from None
    return unseal(sealed, read_passphrase())


def read_key(path: Path) -> str:
    """Open a sealed file that holds a private key."""
    key = read_sealed(path).decode(errors="replace")
    public_half(key)
    return key
