"""The proof holds for every derived firewall, and names each difference of another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.derive.flows import flows
from phoenix.estate import Egress, Estate, Guest, Hypervisor, Network, Service
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall, IpSetEntry, LevelConfig, ListedRule
from phoenix.pve.firewall.model.evaluate import Packet, evaluate
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.model.intervals import address_to_int
from phoenix.pve.firewall.proof.prove import MAX_VIOLATIONS, prove
from phoenix.pve.firewall.proof.violation import Violation
from tests.support.estates import estate, estates, guest, hypervisor
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.firewalls import rule

Change = Callable[[Firewall], Firewall]
STEP_CA, OLLAMA, PORTAINER, DRPHOENIX = 103, 914, 1001, 1002
SIXTEEN = ",".join(str(port) for port in range(1, 17))


def in_guest(vmid: int, change: Callable[[LevelConfig], LevelConfig]) -> Change:
    """Change one guest's level."""

    def changed(firewall: Firewall) -> Firewall:
        own = firewall.guests[vmid]
        return replace(firewall, guests={**firewall.guests, vmid: replace(own, config=change(own.config))})

    return changed


def in_cluster(change: Callable[[LevelConfig], LevelConfig]) -> Change:
    """Change the cluster's level."""
    return lambda firewall: replace(firewall, cluster=change(firewall.cluster))


def more(*rules: ListedRule) -> Callable[[LevelConfig], LevelConfig]:
    """Append rules."""
    return lambda level: replace(level, rules=(*level.rules, *rules))


def fewer(**fields: str) -> Callable[[LevelConfig], LevelConfig]:
    """Remove the one rule that has these fields."""

    def changed(level: LevelConfig) -> LevelConfig:
        kept = tuple(one for one in level.rules if any(one.get(key) != value for key, value in fields.items()))
        assert len(kept) == len(level.rules) - 1
        return replace(level, rules=kept)

    return changed


def option(**options: Any) -> Callable[[LevelConfig], LevelConfig]:
    """Set options."""
    return lambda level: replace(level, options={**level.options, **options})


def members(name: str, *entries: IpSetEntry) -> Callable[[LevelConfig], LevelConfig]:
    """Replace the members of a set."""
    return lambda level: replace(level, ipsets={**level.ipsets, name: entries})


def without_aliases(level: LevelConfig) -> LevelConfig:
    """Remove all aliases."""
    return replace(level, aliases={})


def nic_off(firewall: Firewall) -> Firewall:
    """Turn off the firewall flag of a guest's interface."""
    own = firewall.guests[OLLAMA]
    nic = replace(own.nics[0], firewall=False)
    return replace(firewall, guests={**firewall.guests, OLLAMA: replace(own, nics=(nic,))})


def violations(change: Change, of: Estate | None = None) -> tuple[Violation, ...]:
    """The violations of the derived firewall after a change."""
    chosen = of or example()
    return prove(chosen, change(firewall_from_estate(chosen))).violations


def as_row(one: Violation) -> tuple[str, str, str, str, str, str]:
    """A violation in the columns of the table: ends, traffic, verdict, deciding rule, declared flow."""
    packet = one.packet
    traffic = f"{packet.proto} {packet.icmp or packet.dport}"
    flow = one.declared.flow.purpose if one.declared and one.declared.flow else ""
    return one.sender, one.receiver, traffic, one.verdict.action, str(one.verdict.origin), flow


AGENT = fewer(type="in", dport="9001", source="10.0.0.111")
ROUTE = fewer(type="out", dport="11434", dest="10.0.0.155")
ANY_PORT = rule("in", "ACCEPT", proto="tcp", dport="9999", comment="by hand")
MANAGEMENT_CLOSED = ("outside", "pve", "tcp 22", "DROP", "cluster, policy_in", "management")


def last(vmid: int) -> str:
    """The origin of a rule that is appended to a guest's."""
    return f"guest {vmid}, rule {len(firewall_from_estate(example()).guests[vmid].config.rules)}"


def last_of_cluster() -> str:
    """The origin of a rule that is appended to the cluster's."""
    return f"cluster, rule {len(firewall_from_estate(example()).cluster.rules)}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # A rule is missing at the receiver, at the sender.
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
            in_cluster(lambda level: replace(level, rules=(rule("in", "DROP", proto="tcp", dport="22"), *level.rules))),
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
        # Management access is closed, or open to the node's whole network.
        (in_cluster(members("management")), MANAGEMENT_CLOSED),
        (in_cluster(without_aliases), ("outside", "pve", "tcp 8006", "ACCEPT", "pve, set management", "")),
        # A set contains what it should exclude, or excludes what it should contain.
        (
            in_cluster(members("phoenix-internet", IpSetEntry("0.0.0.0/1"), IpSetEntry("128.0.0.0/1"))),
            ("ollama", "outside", "tcp 443", "ACCEPT", "guest 914, rule 7 (phoenix:", ""),
        ),
        (
            in_cluster(members("phoenix-internet", IpSetEntry("0.0.0.0/1"), IpSetEntry("10.0.0.0/24", nomatch=True))),
            ("ollama", "outside", "udp 123", "DROP", "guest 914, policy_out", "time"),
        ),
        # A guest's rule uses a group and a macro.
        (
            lambda firewall: replace(
                in_guest(STEP_CA, more(rule("group", "web")))(firewall),
                groups={"web": (rule("in", "ACCEPT", macro="SSH"),)},
            ),
            ("outside", "step-ca", "tcp 22", "ACCEPT", f"{last(STEP_CA)}, rule 0 of group web", ""),
        ),
    ],
)
def test_violation(change: Change, expected: tuple[str, ...]) -> None:
    """Each difference between a firewall and the flows is found, with packet, deciding rule and declared flow."""
    rows = {as_row(one) for one in violations(change)}
    *same, origin, flow = expected
    assert [row for row in rows if row[:4] == tuple(same) and row[4].startswith(origin) and row[5] == flow], rows


@pytest.mark.parametrize(
    ("skipped", "reason"),
    [
        (rule("group", "Web"), "there is no security group 'Web'"),
        (rule("in", "ACCEPT", proto="tcp", dport=SIXTEEN), "more than 15 ports"),
        (rule("in", "ACCEPT", proto="tcp", dport="80", source="nowhere"), "there is no alias 'nowhere'"),
        (rule("out", "ACCEPT", dest="10.0.0.1,2001:db8::1"), "mixes IPv4 and IPv6"),
    ],
)
def test_skipped_rule(skipped: dict[str, Any], reason: str) -> None:
    """A rule that Proxmox skips is reported, even if every verdict is as declared."""
    firewall = in_guest(OLLAMA, more(skipped))(firewall_from_estate(example()))
    proof = prove(example(), replace(firewall, groups={"web": ()}))
    assert (proof.holds, proof.violations) == (False, ())
    (reported,) = proof.skipped
    assert str(reported).startswith(f"{last(OLLAMA)}: ")
    assert reason in reported.reason


def test_skipped_rule_closes() -> None:
    """If a skipped rule was needed, the closed port is a violation, too."""
    services = {f"s{port}": Service(port=port, scheme="tcp", clients=("other",)) for port in range(8000, 8002)}
    small = estate(guest("app", 20, services=services), guest("other", 21))
    change = in_guest(120, lambda level: replace(level, rules=tuple(map(_with_sixteen_ports, level.rules))))
    proof = prove(small, change(firewall_from_estate(small)))
    assert len(proof.skipped) == 1
    assert {as_row(one) for one in proof.violations} == {
        ("other", "app", "tcp 8000", "DROP", "guest 120, policy_in", "client of s8000")
    }


def _with_sixteen_ports(rule: ListedRule) -> ListedRule:
    ports = ",".join(str(port) for port in range(8000, 8000 + 16))
    return {**rule, "dport": ports} if rule.get("dport") == "8000" else rule


def test_source_port() -> None:
    """A rule that accepts a certain source port is found, although usual source ports do not match it."""
    by_hand = rule("in", "ACCEPT", proto="udp", sport="53")
    every = violations(in_guest(OLLAMA, more(by_hand)))
    assert every
    assert {one.packet.sport for one in every} == {53}
    assert {(one.receiver, str(one.verdict.origin)) for one in every} == {("ollama", last(OLLAMA))}


def test_violation_as_text() -> None:
    """A violation is one line: the ends, the packet, whether it is declared, and the deciding rule."""
    (one,) = violations(in_guest(DRPHOENIX, AGENT))
    assert str(one) == (
        "portainer → drphoenix: tcp 9001 from 10.0.0.111 to 10.0.0.102 is declared (client of portainer-agent),"
        " but the verdict is DROP, decided by guest 1002, policy_in"
    )


def test_number_of_violations_is_limited() -> None:
    """A mistake that shows at every end is not reported for every end."""
    assert len(violations(in_cluster(option(enable="0")))) == MAX_VIOLATIONS


def test_the_example_holds() -> None:
    """The firewall derived from the example's flows accepts exactly these flows, between all ends."""
    proof = prove(example(), firewall_from_estate(example()))
    assert proof.holds
    assert proof.ends == len(example().live())


NETWORKS = st.sampled_from(["10.0.0.250", "10.0.0.20", "10.0.0.2", "10.0.0.0/28", "192.0.2.0/24", "0.0.0.0/0"])
NODES = ["10.0.0.2", "10.0.0.1", "10.0.0.221", "10.0.0.222", "192.168.1.10", "192.168.1.11", "172.16.0.5", "10.9.0.1"]
PORTS = st.lists(st.integers(1, 65535), min_size=1, max_size=20, unique=True)


@st.composite
def networked(draw: st.DrawFn) -> Estate:
    """A random estate in a random network, with random management, upstream resolvers and egress."""
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
    settings = small.settings.model_copy(update=update)
    return small.model_copy(update={"settings": settings, "hypervisors": tuple(draw(nodes()))})


@st.composite
def nodes(draw: st.DrawFn) -> list[Hypervisor]:
    """One to three nodes, of one or several clusters, inside or outside the network."""
    addresses = draw(st.lists(st.sampled_from(NODES), min_size=6, max_size=6, unique=True))
    drawn = []
    for number in range(draw(st.integers(1, 3))):
        own = {
            "name": f"pve{number or ''}",
            "address": IPv4Address(addresses[2 * number]),
            "guest_resolver": IPv4Address(f"10.0.0.{230 + number}"),
            "also": draw(st.sampled_from([(), (IPv4Address(addresses[2 * number + 1]),)])),
            "cluster": draw(st.sampled_from([None, "a"])),
            "ceph": draw(st.booleans()),
        }
        drawn.append(hypervisor().model_copy(update=own))
    return drawn


@settings(max_examples=60, deadline=None)
@given(small=networked())
def test_any_derived_firewall_holds(small: Estate) -> None:
    """For any estate, the derived firewall accepts exactly what the flows declare."""
    proof = prove(small, firewall_from_estate(small))
    assert proof.holds, (list(map(str, proof.violations[:5])), list(map(str, proof.skipped)))


@settings(max_examples=40, deadline=None)
@given(small=estates(), data=st.data())
def test_proof_is_sound(small: Estate, data: st.DataObject) -> None:
    """For any estate with a rule missing, the proof holds only if every flow between hosts is still open."""
    firewall = firewall_from_estate(small)
    vmid = data.draw(st.sampled_from(sorted(firewall.guests)))
    rules = firewall.guests[vmid].config.rules
    missing = data.draw(st.integers(0, len(rules) - 1))
    kept = tuple(one for index, one in enumerate(rules) if index != missing)
    less = in_guest(vmid, lambda level: replace(level, rules=kept))(firewall)
    declared = declared_packets(small)
    assert not prove(small, less).holds or all(evaluate(Chains(less), one).action == "ACCEPT" for one in declared)


def declared_packets(of: Estate) -> Iterator[Packet]:
    """A packet for each port of each flow between two hosts."""
    for flow in flows(of):
        if {flow.source, flow.dest} <= set(of.by_name) and flow.source != flow.dest:
            source, dest = of.host(flow.source), of.host(flow.dest)
            assert isinstance(source, Guest | Hypervisor)
            assert isinstance(dest, Guest | Hypervisor)
            at = dest.guest_resolver if isinstance(dest, Hypervisor) and flow.at == "resolver" else dest.address
            for port in flow.ports:
                sender, receiver = (end.vmid if isinstance(end, Guest) else end.name for end in (source, dest))
                yield Packet(sender, receiver, address_to_int(source.address), address_to_int(at), flow.protocol, port)


def test_single_address() -> None:
    """A rule that accepts a single address is found."""
    by_hand = rule("in", "ACCEPT", proto="tcp", dport="9999", source="198.51.100.77")
    (one,) = violations(in_guest(OLLAMA, more(by_hand)))
    assert one.packet.source == address_to_int("198.51.100.77")
