"""The shape of a recorded case, so that a file of another shape is refused before it is replayed.

What a case may leave out may also be null; further keys do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from phoenix.pve.firewall.model.intervals import network, number
from phoenix.pve.firewall.model.match import Action

HIGHEST_PORT = 65_535


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


class Case(_Shape):
    """One configuration and its packets."""

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
