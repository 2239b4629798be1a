"""The access file: where the hypervisors are reached, by which pins, and with which secrets.

It is the only place for secrets of the controller, and is never part of an inventory. One entry a hypervisor.
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

from phoenix.directories import DirectoryError, access_file, lab_directory
from phoenix.errors import PhoenixError
from phoenix.pki.bundle import Bundle, read_bundle

UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
Fingerprint = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$")]


class AccessError(PhoenixError):
    """The access file is missing, unsafe or wrong; the message says what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ApiAccess(_Strict):
    """The API lane: the server is trusted by one of two, or by either where both are given.

    `fingerprint` is the SHA-256 of its certificate. `ca` is a PEM file of anchors that its certificate must lead to; it
    is then verified for `name`, or for the host in `url` if that is how the node calls itself.
    """

    url: Annotated[str, StringConstraints(pattern=r"^https://[^/]+$")]
    fingerprint: Fingerprint | None = None
    ca: Path | None = None
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+$")] | None = None
    token_id: Annotated[str, StringConstraints(pattern=r"^[^@!\s]+@[^@!\s]+![^@!\s]+$")]
    token_secret: SecretStr

    @property
    def server(self) -> str:
        """The name or address that the server's certificate must be for."""
        return self.name or urlsplit(self.url).hostname or ""

    def anchors(self) -> Bundle:
        """The anchors of `ca`; none if it is not given, ValueError or OSError if they cannot be read."""
        return read_bundle(self.ca.read_text("utf-8")) if self.ca else Bundle(())

    @model_validator(mode="after")
    def _is_trusted_somehow(self) -> Self:
        if self.fingerprint is None and self.ca is None:
            raise ValueError("needs 'fingerprint' or 'ca': nothing is accepted on first sight")
        if self.name and self.ca is None:
            raise ValueError("'name' is what a certificate of 'ca' is verified for: give 'ca' as well")
        try:
            self.anchors()
        except (OSError, ValueError) as error:
            raise ValueError(f"the anchors of 'ca' cannot be read: {self.ca}: {error}") from None
        return self

    @field_validator("token_secret")
    @classmethod
    def _is_a_secret(cls, value: SecretStr) -> SecretStr:
        if not UUID.fullmatch(value.get_secret_value()):
            raise ValueError("is not a token's secret, which is a UUID: is it still a placeholder?")
        return value


class SshAccess(_Strict):
    """The SSH lane: `host_key` is the server's public key as in known_hosts(5), without the name."""

    host: str
    port: int = Field(default=22, ge=1, le=65535)
    user: str = "root"
    host_key: Annotated[str, StringConstraints(pattern=r"^(ssh|ecdsa)-\S+ \S+")]
    key_file: Path


class HypervisorAccess(_Strict):
    """Both lanes to one hypervisor."""

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
    """Read the entries of the hypervisors; AccessError says what is missing or unsafe."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = YAML(typ="safe").load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise AccessError(
            f"{path} does not exist: it says how to reach the hypervisors (see README, or start the lab)"
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
        raise AccessError(f"{path} has no entry for {', '.join(missing)}")
    return {name: entries[name] for name in hypervisors}
