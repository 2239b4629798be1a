"""The access file: where the hypervisors are reached, by which pins, and with which secrets.

It is the only place for secrets of the controller, and is never part of an inventory. One entry a hypervisor.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

ENVIRONMENT = "PHOENIX_ACCESS"
LAB_ENVIRONMENT = "PHOENIX_LAB"
UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
Fingerprint = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$")]


class AccessError(Exception):
    """The access file is missing, unsafe or wrong; the message says what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiAccess(_Strict):
    """The API lane: `fingerprint` is the SHA-256 of the server's certificate."""

    url: Annotated[str, StringConstraints(pattern=r"^https://[^/]+$")]
    fingerprint: Fingerprint
    token_id: Annotated[str, StringConstraints(pattern=r"^[^@!\s]+@[^@!\s]+![^@!\s]+$")]
    token_secret: SecretStr

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


class _File(RootModel[dict[str, HypervisorAccess]]):
    pass


def access_path(*, lab: bool) -> Path:
    """Where the access file is: the lab's own, or that of the real estate."""
    if lab:
        return Path(os.environ.get(LAB_ENVIRONMENT, "/var/lib/phoenix-lab")) / "access.yaml"
    default = Path.home() / ".config" / "phoenix" / "access.yaml"
    return Path(os.environ.get(ENVIRONMENT, default))


def read_access(path: Path, hypervisors: tuple[str, ...]) -> dict[str, HypervisorAccess]:
    """Read the entries of the hypervisors; AccessError says what is missing or unsafe."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise AccessError(
            f"{path} does not exist: it says how to reach the hypervisors (see README, or start the lab)"
        ) from None
    except (OSError, ValueError, YAMLError) as error:
        raise AccessError(f"{path} cannot be read: {error}") from None
    if mode & 0o077:
        raise AccessError(f"{path} holds secrets and has mode {mode:04o}: chmod 600 {path}")
    try:
        entries = _File.model_validate(data).root
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise AccessError(f"{path}: {where}: {first['msg']}") from None
    missing = [name for name in hypervisors if name not in entries]
    if missing:
        raise AccessError(f"{path} has no entry for {', '.join(missing)}")
    return {name: entries[name] for name in hypervisors}
