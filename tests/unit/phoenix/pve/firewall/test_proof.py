"""The proof: it holds for what is derived, always, and names what is wrong with anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.derive.flows import flows
from phoenix.estate import Egress, Estate, Guest, Hypervisor, Network, Service
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Entry, Firewall, Listed, Scope
from phoenix.pve.firewall.model.evaluate import Packet, judge
from phoenix.pve.firewall.model.from_estate import derived_firewall
from phoenix.pve.firewall.model.intervals import number
from phoenix.pve.firewall.proof.prove import MOST_VIOLATIONS, Violation, prove
from tests.support.estates import estate, estates, guest
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.firewalls import rule

Change = Callable[[Firewall], Firewall]
STEP_CA, OLLAMA, PORTAINER, DRPHOENIX = 103, 914, 1001, 1002
SIXTEEN = ",".join(str(port) for port in range(1, 17))


def in_guest(vmid: int, change: Callable[[Scope], Scope]) -> Change:
    """A change of one guest's level."""

    def changed(given: Firewall) -> Firewall:
        own = given.guests[vmid]
        return replace(given, guests={**given.guests, vmid: replace(own, scope=change(own.scope))})

    return changed


def in_cluster(change: Callable[[Scope], Scope]) -> Change:
    """A change of the cluster's level."""
    return lambda given: replace(given, cluster=change(given.cluster))


def more(*rules: Listed) -> Callable[[Scope], Scope]:
    """Further rules, below those that are there."""
    return lambda scope: replace(scope, rules=(*scope.rules, *rules))


def fewer(**fields: str) -> Callable[[Scope], Scope]:
    """All rules but the one that has these fields."""

    def changed(scope: Scope) -> Scope:
        kept = tuple(one for one in scope.rules if any(one.get(key) != value for key, value in fields.items()))
        assert len(kept) == len(scope.rules) - 1
        return replace(scope, rules=kept)

    return changed


def option(**options: Any) -> Callable[[Scope], Scope]:
    """Options of another value."""
    return lambda scope: replace(scope, options={**scope.options, **options})


def members(name: str, *entries: Entry) -> Callable[[Scope], Scope]:
    """A set with these members."""
    return lambda scope: replace(scope, ipsets={**scope.ipsets, name: entries})


def without_alias(scope: Scope) -> Scope:
    """No alias at all."""
    return replace(scope, aliases={})


def nic_off(given: Firewall) -> Firewall:
    """The flag of a guest's interface is off."""
    own = given.guests[OLLAMA]
    return replace(given, guests={**given.guests, OLLAMA: replace(own, nics=(replace(own.nics[0], firewall=False),))})


def violations(change: Change, of: Estate | None = None) -> tuple[Violation, ...]:
    """What the proof says of the derived firewall after a change."""
    shown = of or example()
    return prove(shown, change(derived_firewall(shown))).violations


def said(one: Violation) -> tuple[str, str, str, str, str, str]:
    """A violation in the columns of the table: ends, what is asked for, verdict, who decides, the declared flow."""
    packet = one.packet
    asked = f"{packet.proto} {packet.icmp or packet.dport}"
    flow = one.declared.flow.purpose if one.declared and one.declared.flow else ""
    return one.sender, one.receiver, asked, one.verdict.action, str(one.verdict.origin), flow


AGENT = fewer(type="in", dport="9001", source="10.0.0.111")
ROUTE = fewer(type="out", dport="11434", dest="10.0.0.155")
ANY_PORT = rule("in", "ACCEPT", proto="tcp", dport="9999", comment="by hand")
WAY_IN = ("outside", "pve", "tcp 22", "DROP", "cluster, policy_in", "management")


def last(vmid: int) -> str:
    """Where a further rule of a guest stands."""
    return f"guest {vmid}, rule {len(derived_firewall(example()).guests[vmid].scope.rules)}"


def last_of_cluster() -> str:
    """Where a further rule of the cluster stands."""
    return f"cluster, rule {len(derived_firewall(example()).cluster.rules)}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # A rule is missing: on the receiver's side, on the sender's.
        (
            in_guest(DRPHOENIX, AGENT),
            ("portainer", "drphoenix", "tcp 9001", "DROP", "guest 1002, policy_in", "client of portainer-agent"),
        ),
        (in_guest(102, ROUTE), ("traefik", "ollama", "tcp 11434", "DROP", "guest 102, policy_out", "route to ollama")),
        # A rule is foreign, or takes precedence.
        (
            in_guest(OLLAMA, more(ANY_PORT)),
            ("outside", "ollama", "tcp 9999", "ACCEPT", f"{last(OLLAMA)} (by hand)", ""),
        ),
        (in_cluster(more(ANY_PORT)), ("outside", "pve", "tcp 9999", "ACCEPT", f"{last_of_cluster()} (by hand)", "")),
        (
            in_cluster(lambda scope: replace(scope, rules=(rule("in", "DROP", proto="tcp", dport="22"), *scope.rules))),
            ("outside", "pve", "tcp 22", "DROP", "cluster, rule 0", "management"),
        ),
        # A switch is off, or a policy opens.
        (in_guest(OLLAMA, option(enable="0")), ("outside", "ollama", "tcp 2049", "ACCEPT", "None", "")),
        (nic_off, ("outside", "ollama", "tcp 2049", "ACCEPT", "None", "")),
        (in_cluster(option(enable="0")), ("portainer", "pve", "tcp 22", "ACCEPT", "None", "")),
        (
            in_guest(OLLAMA, option(policy_in="ACCEPT")),
            ("outside", "ollama", "tcp 2049", "ACCEPT", "guest 914, policy_in", ""),
        ),
        (
            in_guest(OLLAMA, option(policy_out="ACCEPT")),
            ("ollama", "outside", "tcp 22", "ACCEPT", "guest 914, policy_out", ""),
        ),
        (
            in_cluster(option(policy_in="ACCEPT")),
            ("outside", "pve", "tcp 8006", "ACCEPT", "cluster, policy_in", ""),
        ),
        # The operator's way in is closed, or open to all of the node's network.
        (in_cluster(members("management")), WAY_IN),
        (in_cluster(without_alias), ("outside", "pve", "tcp 8006", "ACCEPT", "pve, set management", "")),
        # A set takes in what it should leave out, or leaves out what it should take in.
        (
            in_cluster(members("phoenix-internet", Entry("0.0.0.0/1"), Entry("128.0.0.0/1"))),
            ("ollama", "outside", "tcp 443", "ACCEPT", "guest 914, rule 7 (phoenix:", ""),
        ),
        (
            in_cluster(members("phoenix-internet", Entry("0.0.0.0/1"), Entry("10.0.0.0/24", nomatch=True))),
            ("ollama", "outside", "udp 123", "DROP", "guest 914, policy_out", "time"),
        ),
        # A guest opens by group or macro.
        (
            lambda given: replace(
                in_guest(STEP_CA, more(rule("group", "web")))(given),
                groups={"web": (rule("in", "ACCEPT", macro="SSH"),)},
            ),
            ("outside", "step-ca", "tcp 22", "ACCEPT", f"{last(STEP_CA)}, rule 0 of group web", ""),
        ),
    ],
)
def test_violation(change: Change, expected: tuple[str, ...]) -> None:
    """Whatever separates a firewall from the flows is found, with packet, deciding rule and declared flow."""
    found = {said(one) for one in violations(change)}
    *same, origin, flow = expected
    assert [one for one in found if one[:4] == tuple(same) and one[4].startswith(origin) and one[5] == flow], found


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (rule("group", "Web"), "there is no security group 'Web'"),
        (rule("in", "ACCEPT", proto="tcp", dport=SIXTEEN), "more than 15 ports"),
        (rule("in", "ACCEPT", proto="tcp", dport="80", source="nowhere"), "there is no alias 'nowhere'"),
        (rule("out", "ACCEPT", dest="10.0.0.1,2001:db8::1"), "mixes IPv4 and IPv6"),
    ],
)
def test_skipped_rule(wrong: dict[str, Any], says: str) -> None:
    """A rule that Proxmox would leave out without a word is named, though every packet is treated as declared."""
    given = replace(in_guest(OLLAMA, more(wrong))(derived_firewall(example())), groups={"web": ()})
    proof = prove(example(), given)
    assert (proof.holds, proof.violations) == (False, ())
    (skipped,) = proof.skipped
    assert str(skipped).startswith(f"{last(OLLAMA)}: ")
    assert says in skipped.reason


def test_skipped_rule_closes() -> None:
    """Where a skipped rule was needed, the closed port is found as well."""
    services = {f"s{port}": Service(port=port, scheme="tcp", clients=("other",)) for port in range(8000, 8002)}
    small = estate(guest("app", 20, services=services), guest("other", 21))
    change = in_guest(120, lambda scope: replace(scope, rules=tuple(map(_with_sixteen, scope.rules))))
    proof = prove(small, change(derived_firewall(small)))
    assert len(proof.skipped) == 1
    assert {said(one) for one in proof.violations} == {
        ("other", "app", "tcp 8000", "DROP", "guest 120, policy_in", "client of s8000")
    }


def _with_sixteen(given: Listed) -> Listed:
    ports = ",".join(str(port) for port in range(8000, 8000 + 16))
    return {**given, "dport": ports} if given.get("dport") == "8000" else given


def test_source_port_opens_nothing() -> None:
    """An opening for who asks from a certain port is found, though nobody who asks as usual would notice it."""
    by_hand = rule("in", "ACCEPT", proto="udp", sport="53")
    found = violations(in_guest(OLLAMA, more(by_hand)))
    assert found
    assert {one.packet.sport for one in found} == {53}
    assert {(one.receiver, str(one.verdict.origin)) for one in found} == {("ollama", last(OLLAMA))}


def test_violation_in_words() -> None:
    """A violation says in one line what is asked by whom, whether it is declared, and which rule decides."""
    (one,) = violations(in_guest(DRPHOENIX, AGENT))
    assert str(one) == (
        "portainer → drphoenix: tcp 9001 from 10.0.0.111 to 10.0.0.102 is declared (client of portainer-agent),"
        " and the firewall says DROP; decided by guest 1002, policy_in"
    )


def test_many_violations_are_not_all_told() -> None:
    """What is wrong everywhere is not told everywhere."""
    assert len(violations(in_cluster(option(enable="0")))) == MOST_VIOLATIONS


def test_the_example_holds() -> None:
    """What the example's flows yield lets through what they say, between all of its ends."""
    proof = prove(example(), derived_firewall(example()))
    assert proof.holds
    assert proof.ends == len(example().live())


NETWORKS = st.sampled_from(["10.0.0.250", "10.0.0.20", "10.0.0.2", "10.0.0.0/28", "192.0.2.0/24", "0.0.0.0/0"])
PORTS = st.lists(st.integers(1, 65535), min_size=1, max_size=20, unique=True)


@st.composite
def networked(draw: st.DrawFn) -> Estate:
    """A random estate in a random network: who manages, who resolves, what guests may ask the world for."""
    small = draw(estates())
    network = {
        "subnet": draw(st.sampled_from(["10.0.0.0/24", "10.0.0.0/16", "0.0.0.0/1"])),
        "gateway": "10.0.0.1",
        "upstream_dns": draw(st.lists(st.sampled_from(["8.8.8.8", "10.0.0.1", "10.0.0.20"]), min_size=1, unique=True)),
        "management": draw(st.lists(NETWORKS, min_size=1, max_size=3, unique=True)),
    }
    protocols = st.sampled_from(["tcp", "udp"])
    egress = [
        {"protocol": draw(protocols), "ports": draw(PORTS), "purpose": f"use {index}"}
        for index in range(draw(st.integers(0, 2)))
    ]
    update = {
        "network": Network.model_validate(network),
        "egress": tuple(Egress.model_validate(one) for one in egress),
    }
    return small.model_copy(update={"settings": small.settings.model_copy(update=update)})


@settings(max_examples=60, deadline=None)
@given(small=networked())
def test_what_is_derived_holds(small: Estate) -> None:
    """Whatever the estate, the firewall that its flows yield lets through exactly what they say."""
    proof = prove(small, derived_firewall(small))
    assert proof.holds, (list(map(str, proof.violations[:5])), list(map(str, proof.skipped)))


@settings(max_examples=40, deadline=None)
@given(small=estates(), data=st.data())
def test_a_proof_is_right(small: Estate, data: st.DataObject) -> None:
    """Whatever the estate, where a rule is missing the proof holds only if every flow between hosts is open still."""
    given = derived_firewall(small)
    vmid = data.draw(st.sampled_from(sorted(given.guests)))
    rules = given.guests[vmid].scope.rules
    dropped = data.draw(st.integers(0, len(rules) - 1))
    kept = tuple(one for index, one in enumerate(rules) if index != dropped)
    less = in_guest(vmid, lambda scope: replace(scope, rules=kept))(given)
    assert not prove(small, less).holds or all(judge(Chains(less), one).action == "ACCEPT" for one in asked(small))


def asked(of: Estate) -> Iterator[Packet]:
    """A packet for each port of each flow between two hosts."""
    for flow in flows(of):
        if {flow.source, flow.dest} <= set(of.by_name) and flow.source != flow.dest:
            source, dest = of.host(flow.source), of.host(flow.dest)
            assert isinstance(source, Guest | Hypervisor)
            assert isinstance(dest, Guest | Hypervisor)
            at = dest.guest_resolver if isinstance(dest, Hypervisor) and flow.at == "resolver" else dest.address
            for port in flow.ports:
                sender, receiver = (end.vmid if isinstance(end, Guest) else end.name for end in (source, dest))
                yield Packet(sender, receiver, number(source.address), number(at), flow.protocol, port)


def test_addresses_are_told_apart() -> None:
    """One address alone that should not get in is found among all that should."""
    by_hand = rule("in", "ACCEPT", proto="tcp", dport="9999", source="198.51.100.77")
    (one,) = violations(in_guest(OLLAMA, more(by_hand)))
    assert one.packet.source == number("198.51.100.77")
