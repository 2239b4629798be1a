"""A file of recorded verdicts → its cases, or what of it is not of that shape: `replay` relies on it."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from phoenix.pve.firewall.intervals import network, number
from phoenix.pve.firewall.steps import Action

GZIP = b"\x1f\x8b"
HIGHEST_PORT = 65_535
MOST_PROBLEMS = 10
"""So many are shown: one mistake in what made the file is often everywhere."""
MESSAGES = {
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
}


class RecordError(Exception):
    """A file that is no record of verdicts; the message names the case and the key."""


def read_cases(data: bytes) -> list[Mapping[str, Any]]:
    """The cases of a file, compressed or not; absent optional parts stay absent."""
    try:
        text = gzip.decompress(data) if data.startswith(GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise RecordError(f"begins like gzip, and cannot be decompressed: {error}") from None
    try:
        found = json.loads(text)
    except RecursionError:
        raise RecordError("is nested too deeply to be JSON of that structure") from None
    except ValueError as error:
        raise RecordError(f"is not JSON: {error}") from None
    if not isinstance(found, list):
        raise RecordError("must be a list of cases")
    problems = [problem for index, case in enumerate(found) for problem in _problems(index, case)]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise RecordError("is no record of verdicts:\n  " + "\n  ".join(shown))
    return found


def _problems(index: int, case: object) -> Iterable[str]:
    try:
        CASE.validate_python(case, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            # A union's branch is no key of the file.
            path = ".".join(str(part) for part in one["loc"] if not re.fullmatch(r"str|int|bool|_\w+", str(part)))
            message = MESSAGES.get(one["type"]) or one["msg"].removeprefix("Value error, ")
            yield f"case {index}: {path}: {message}" if path else f"case {index}: {message}"


def _is(check: Callable[[str], object], what: str) -> AfterValidator:
    def checked(text: str) -> str:
        try:
            check(text)
        except ValueError:
            raise ValueError(f"{text!r} is no {what}") from None
        return text

    return AfterValidator(checked)


Address = Annotated[str, _is(number, "IP address")]
Network = Annotated[str, _is(network, "address or network")]
Switch = bool | int | str | None
Word = str | int | None


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Rule(_Shape):
    type: Literal["in", "out", "group", "forward"]
    action: str
    enable: Switch = None
    macro: str | None = None
    proto: Word = None
    dport: Word = None
    sport: Word = None
    source: str | None = None
    dest: str | None = None
    iface: str | None = None
    comment: str | None = None


class _Options(_Shape):
    enable: Switch = None
    policy_in: Action | None = None
    policy_out: Action | None = None


class _Member(_Shape):
    cidr: str
    nomatch: Switch = None


class _Scope(_Shape):
    options: _Options | None = None
    rules: list[_Rule] | None = None
    aliases: dict[str, Network] | None = None
    ipsets: dict[str, list[str | _Member]] | None = None


class _Cluster(_Scope):
    groups: dict[str, list[_Rule]] | None = None


class _Guest(_Scope):
    ip: Address
    mac: str | None = None
    nic_firewall: bool | int | str


class _Packet(_Shape):
    sender: str = Field(alias="from")
    receiver: str = Field(alias="to")
    proto: str
    source: Address
    dest: Address
    dport: Word = None
    verdict: Action

    @model_validator(mode="after")
    def _says_what_it_asks_for(self) -> Self:
        port = isinstance(self.dport, int) and 0 <= self.dport <= HIGHEST_PORT
        if self.proto in ("tcp", "udp") and not port:
            raise ValueError(f"dport: of {self.proto} must be a number up to {HIGHEST_PORT}")
        if self.proto == "icmp" and not isinstance(self.dport, str):
            raise ValueError("dport: of icmp must be the name of a type, such as echo-request")
        return self


class _Case(_Shape):
    local_network: Network
    cluster: _Cluster
    guests: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], _Guest]
    packets: list[_Packet]

    @model_validator(mode="after")
    def _names_known_ends(self) -> Self:
        known = {"outside", "host", *(f"{kind}{vmid}" for vmid in self.guests for kind in ("ct", "vm"))}
        for index, packet in enumerate(self.packets):
            for key, end in (("from", packet.sender), ("to", packet.receiver)):
                if end not in known:
                    raise ValueError(
                        f"packets.{index}.{key}: {end!r} is neither outside, nor host, nor a guest of the case"
                    )
        return self


CASE = TypeAdapter(_Case)
