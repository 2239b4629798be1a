"""The access file: the addresses of the hypervisors, their pins, and the secrets for them.

It is the only file with secrets of the controller and never part of an inventory. It has one entry per hypervisor.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from phoenix.conventions import SSH_PORT
from phoenix.directories import DirectoryError, access_file, lab_directory
from phoenix.errors import PhoenixError
from phoenix.pki.bundle import Bundle, read_bundle

UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
Fingerprint = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$")]


class AccessError(PhoenixError):
    """The access file is missing, readable by others, or not valid; the message says what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ApiAccess(_Strict):
    """The API connection. The server is trusted by `fingerprint` or by `ca`; if both are set, either suffices.

    `fingerprint` is the SHA-256 of its certificate. `ca` is a PEM file of anchors to which its certificate must chain;
    the certificate is then verified for `name`, or by default for the host in `url`.
    """

    url: Annotated[str, StringConstraints(pattern=r"^https://[^/]+$")]
    fingerprint: Fingerprint | None = None
    ca: Path | None = None
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+$")] | None = None
    token_id: Annotated[str, StringConstraints(pattern=r"^[^@!\s]+@[^@!\s]+![^@!\s]+$")]
    token_secret: SecretStr

    @property
    def server(self) -> str:
        """The name or address that the server's certificate must contain."""
        return self.name or urlsplit(self.url).hostname or ""

    def anchors(self) -> Bundle:
        """Read the anchors of `ca`; none if it is not set, ValueError or OSError if they cannot be read."""
        return read_bundle(self.ca.read_text("utf-8")) if self.ca else Bundle(())

    @model_validator(mode="after")
    def _has_trust(self) -> Self:
        if self.fingerprint is None and self.ca is None:
            raise ValueError("needs 'fingerprint' or 'ca': no certificate is trusted on first use")
        if self.name and self.ca is None:
            raise ValueError("'name' is the name for which a certificate of 'ca' is verified: set 'ca' as well")
        try:
            self.anchors()
        except (OSError, ValueError) as error:
            raise ValueError(f"the anchors of 'ca' cannot be read: {self.ca}: {error}") from None
        return self

    @field_validator("token_secret")
    @classmethod
    def _is_a_secret(cls, value: SecretStr) -> SecretStr:
        if not UUID.fullmatch(value.get_secret_value()):
            raise ValueError("is not the secret of a token, which is a UUID: replace the placeholder")
        return value


class SshAccess(_Strict):
    """The SSH connection. `host_key` is the server's public key as in known_hosts(5), without the host name."""

    host: str
    port: int = Field(default=SSH_PORT, ge=1, le=65535)
    user: str = "root"
    host_key: Annotated[str, StringConstraints(pattern=r"^(ssh|ecdsa)-\S+ \S+")]
    key_file: Path


class HypervisorAccess(_Strict):
    """Both connections to one hypervisor."""

    api: ApiAccess
    ssh: SshAccess


def access_path(*, lab: bool) -> Path:
    """Return the path of the lab's or the real estate's access file; AccessError if that needs a home directory."""
    if lab:
        return lab_directory() / "access.yaml"
    try:
        return access_file()
    except DirectoryError as error:
        raise AccessError(f"the access file cannot be located: {error}") from None


def read_access(path: Path, hypervisors: tuple[str, ...]) -> dict[str, HypervisorAccess]:
    """Read the entries of the hypervisors; AccessError names what is missing, readable by others, or not valid."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = YAML(typ="safe").load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise AccessError(
            f"{path} does not exist; it defines the access to the hypervisors: write it (see README), or start the lab"
        ) from None
    except (OSError, ValueError, YAMLError) as error:
        raise AccessError(f"{path} cannot be read: {error}") from None
    if mode & 0o077:
        raise AccessError(f"{path} holds secrets and has mode {mode:04o}: chmod 600 {path}")
    try:
        entries = TypeAdapter(dict[str, HypervisorAccess]).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise AccessError(f"{path}: {where}: {first['msg']}") from None
    missing = [name for name in hypervisors if name not in entries]
    if missing:
        existing = f"it has {', '.join(map(repr, sorted(entries)))}" if entries else "it is empty"
        raise AccessError(
            f"{path} has no entry for {', '.join(missing)}; {existing}: add the entry, or correct its name"
        )
    return {name: entries[name] for name in hypervisors}
