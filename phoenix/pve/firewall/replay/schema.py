"""The schema of a recorded case. Optional keys may be null; unknown keys are ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from phoenix.pve.firewall.model.intervals import address_to_int, parse_network
from phoenix.pve.firewall.model.lookup import MAX_PORT
from phoenix.pve.firewall.model.match import RuleAction


def _parsed_by(parse: Callable[[str], object], kind: str) -> AfterValidator:
    def validate(text: str) -> str:
        try:
            parse(text)
        except ValueError:
            raise ValueError(f"{text!r} is not an {kind}") from None
        return text

    return AfterValidator(validate)


_Address = Annotated[str, _parsed_by(address_to_int, "IP address")]
_Network = Annotated[str, _parsed_by(parse_network, "address or network")]
_Switch = bool | int | str | None
_Word = str | int | None


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Rule(_Schema):
    type: Literal["in", "out", "group", "forward"]
    action: str
    enable: _Switch = None
    macro: str | None = None
    proto: _Word = None
    dport: _Word = None
    sport: _Word = None
    source: str | None = None
    dest: str | None = None
    iface: str | None = None
    comment: str | None = None


class _Options(_Schema):
    enable: _Switch = None
    policy_in: RuleAction | None = None
    policy_out: RuleAction | None = None


class _Entry(_Schema):
    cidr: str
    nomatch: _Switch = None


class _Level(_Schema):
    options: _Options | None = None
    rules: list[_Rule] | None = None
    aliases: dict[str, _Network] | None = None
    ipsets: dict[str, list[str | _Entry]] | None = None


class _Cluster(_Level):
    groups: dict[str, list[_Rule]] | None = None


class _Guest(_Level):
    ip: _Address
    mac: str | None = None
    nic_firewall: bool | int | str


class _Packet(_Schema):
    sender: str = Field(alias="from")
    receiver: str = Field(alias="to")
    proto: str
    source: _Address
    dest: _Address
    dport: _Word = None
    verdict: RuleAction

    @model_validator(mode="after")
    def _dport_fits_proto(self) -> Self:
        is_port = isinstance(self.dport, int) and 0 <= self.dport <= MAX_PORT
        if self.proto in ("tcp", "udp") and not is_port:
            raise ValueError(f"dport: of {self.proto} must be a number up to {MAX_PORT}")
        if self.proto == "icmp" and not isinstance(self.dport, str):
            raise ValueError("dport: of icmp must be the name of a type, such as echo-request")
        return self


class RecordedCase(_Schema):
    """One configuration and its packets."""

    local_network: _Network
    cluster: _Cluster
    guests: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], _Guest]
    packets: list[_Packet]

    @model_validator(mode="after")
    def _ends_exist(self) -> Self:
        known = {"outside", "host", *(f"{kind}{vmid}" for vmid in self.guests for kind in ("ct", "vm"))}
        for index, packet in enumerate(self.packets):
            for key, end in (("from", packet.sender), ("to", packet.receiver)):
                if end not in known:
                    raise ValueError(f"packets.{index}.{key}: {end!r} is not outside, host or a guest of the case")
        return self
