"""The firewall of the example and of random estates, verified by an evaluation of the rules in the test."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings

from phoenix.derive.certificates import certificates
from phoenix.derive.firewall import NOT_INTERNET, IpSet, Rule, cluster_firewall, guest_firewall
from phoenix.derive.flows import flows
from phoenix.derive.names import records
from phoenix.derive.routes import routes
from phoenix.estate import Estate, Guest, Service
from tests.support.estates import estate, estates, guest
from tests.support.inventories import example

FAST = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Filter:
    """The derived rules of an estate, evaluated as Proxmox does."""

    def __init__(self, small: Estate) -> None:
        cluster = cluster_firewall(small)
        self.rules = {guest.name: guest_firewall(small, guest).rules for guest in small.guests}
        self.rules |= {hypervisor.name: cluster.rules for hypervisor in small.hypervisors}
        self.sets = {f"+{ipset.name}": ipset for ipset in cluster.ipsets}
        self.matches = lru_cache(self._matches)

    def _matches(self, end: str, address: str) -> bool:
        """Report whether a rule's source or destination contains an address."""
        ipset = self.sets.get(end, IpSet("", (end or "0.0.0.0/0",)))
        inside = any(ip_address(address) in ip_network(net) for net in ipset.networks)
        return inside and not any(ip_address(address) in ip_network(net) for net in ipset.except_)

    def accepts(self, host: str, direction: str, ends: tuple[str, str], port: int) -> bool:
        """Report whether a host's rules accept a TCP connection from one address to another."""
        return any(
            rule.direction == direction
            and rule.protocol == "tcp"
            and str(port) in rule.dport.split(",")
            and self.matches(rule.source, ends[0])
            and self.matches(rule.dest, ends[1])
            for rule in self.rules[host]
        )

    def connects(self, a: Guest, b: Guest, port: int) -> bool:
        """Report whether guest `a` can connect to guest `b`: the rules of both accept the connection."""
        ends = (str(a.address), str(b.address))
        return self.accepts(a.name, "out", ends, port) and self.accepts(b.name, "in", ends, port)


def test_rules_of_portainer() -> None:
    """Portainer has exactly these rules, in the API's notation."""
    level = guest_firewall(example(), example().guest_with("portainer"))
    assert sorted((r.direction, r.protocol, r.dport, r.source, r.dest) for r in level.rules) == [
        ("in", "icmp", "", "10.0.0.0/24", ""),
        ("in", "tcp", "22", "10.0.0.13", ""),
        ("in", "tcp", "9443", "10.0.0.12", ""),
        ("in", "tcp", "9443", "10.0.0.13", ""),
        ("out", "icmp", "", "", "10.0.0.0/24"),
        ("out", "tcp", "2049", "", "10.0.0.13"),
        ("out", "tcp", "53", "", "10.0.0.53"),
        ("out", "tcp", "80,443", "", "+phoenix-internet"),
        ("out", "tcp", "9000", "", "10.0.0.10"),
        ("out", "tcp", "9001", "", "10.0.0.102"),
        ("out", "udp", "123", "", "+phoenix-internet"),
        ("out", "udp", "53", "", "10.0.0.53"),
    ]
    assert (level.options["policy_in"], level.options["policy_out"], level.options["enable"]) == ("DROP", "DROP", "1")


def test_rules_of_the_hypervisor() -> None:
    """The hypervisor accepts DNS and ping from its network and NFS from virtual machines; management is an IP set."""
    level = cluster_firewall(example())
    assert sorted((r.protocol, r.dport, r.source) for r in level.rules) == [
        ("icmp", "", "10.0.0.0/24"),
        ("tcp", "2049", "10.0.0.102"),
        ("tcp", "2049", "10.0.0.111"),
        ("tcp", "53", "10.0.0.0/24"),
        ("udp", "53", "10.0.0.0/24"),
    ]
    assert {(s.name, s.networks, s.except_) for s in level.ipsets} == {
        ("management", ("10.0.0.20",), ()),
        ("phoenix-internet", ("0.0.0.0/1", "128.0.0.0/1"), ("10.0.0.0/24", *NOT_INTERNET)),
    }
    assert level.aliases == {"local_network": "10.0.0.13"}


@pytest.mark.parametrize("network", [*NOT_INTERNET, "255.255.255.255/32", "172.31.255.255/32", "100.127.0.0/16"])
def test_not_internet(network: str) -> None:
    """No address of a network that is not global is an address of the Internet."""
    rules = Filter(example())
    assert not any(rules.matches("+phoenix-internet", str(ip_network(network)[end])) for end in (0, -1))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "172.32.0.0"])
def test_internet(address: str) -> None:
    """A global address is one of the Internet, also beside a private network."""
    assert Filter(example()).matches("+phoenix-internet", address)


def test_example_connects_as_its_flows() -> None:
    """Between every two guests of the example, on every port of the estate, the rules accept exactly the flows."""
    assert_connects_as_flows(example())


def assert_connects_as_flows(small: Estate) -> None:
    """Compare the verdict of the rules with the flows, for every pair of guests and every port."""
    rules = Filter(small)
    declared = {(f.source, f.dest, port) for f in flows(small) if f.protocol == "tcp" for port in f.ports}
    ports = {port for _, _, port in declared} | {1, 2375, 65535}
    pairs = [(a, b) for a in small.guests for b in small.guests if a is not b]
    accepted = {(a.name, b.name, port) for a, b in pairs for port in ports if rules.connects(a, b, port)}
    names = {guest.name for guest in small.guests}
    assert accepted == {flow for flow in declared if {flow[0], flow[1]} <= names and flow[0] != flow[1]}


@FAST
@given(small=estates())
def test_every_estate_connects_as_its_flows(small: Estate) -> None:
    """In any estate, a connection between guests is accepted if and only if a flow permits it."""
    assert_connects_as_flows(small)


@FAST
@given(small=estates())
def test_every_flow_has_both_sides(small: Estate) -> None:
    """Each flow between two guests is an OUT rule at its source and an IN rule at its destination."""
    guests, rules = {guest.name: guest for guest in small.guests}, Filter(small).rules
    for flow in flows(small):
        if flow.source in guests and flow.dest in guests:
            ports = ",".join(map(str, flow.ports))
            a, b = guests[flow.source], guests[flow.dest]
            out, into = rules[a.name], rules[b.name]
            assert ("out", ports, "", str(b.address)) in {(r.direction, r.dport, r.source, r.dest) for r in out}
            assert ("in", ports, str(a.address), "") in {(r.direction, r.dport, r.source, r.dest) for r in into}


@FAST
@given(small=estates())
def test_every_exposed_service_is_complete(small: Estate) -> None:
    """Every exposed service has a route, a record in both views, and openings edge → mesh → guest."""
    edge, mesh, rules = small.guest_with("nginx"), small.guest_with("traefik"), Filter(small)
    known = {record.name: record for record in records(small)}
    routed = {route.service: route for route in routes(small)}
    exposed = {name: (g, s) for g in small.guests for name, s in g.services.items() if s.expose}
    assert set(routed) == set(exposed)
    for name, (provider, service) in exposed.items():
        record = known[small.fqdn(name)]
        assert (record.lan, record.guest) == (edge.address, mesh.address)
        assert rules.connects(edge, mesh, 8443)
        assert provider is mesh or rules.connects(mesh, provider, service.port)
        assert rules.accepts("edge", "in", ("203.0.113.9", str(edge.address)), 443)


@FAST
@given(small=estates())
def test_names_and_files_are_unique(small: Estate) -> None:
    """No name has two records, no two leaves share a file, no two rules of a guest a key."""
    names = [record.name for record in records(small)]
    files = [(leaf.host, path) for leaf in certificates(small) for path in (leaf.certificate, leaf.key)]
    assert len(names) == len(set(names))
    assert len(files) == len(set(files))
    for rules in Filter(small).rules.values():
        assert len(rules) == len({rule.key for rule in rules})


@FAST
@given(small=estates())
def test_no_guest_manages(small: Estate) -> None:
    """No guest can connect to SSH or the API of the hypervisor."""
    rules = Filter(small)
    for host in small.guests:
        ends = (str(host.address), "10.0.0.2")
        assert not any(rules.accepts(host.name, "out", ends, port) for port in (22, 8006))
        assert not any(rules.accepts("pve", "in", ends, port) for port in (22, 8006))


def test_key_is_independent_of_the_purpose() -> None:
    """A rule keeps its key if its purpose is reworded, and has another key with another port."""
    one = Rule("in", "tcp", "80", "10.0.0.1", "", "web")
    assert one.key == Rule("in", "tcp", "80", "10.0.0.1", "", "the web").key
    assert one.key != Rule("in", "tcp", "81", "10.0.0.1", "", "web").key
    assert one.parameters == {
        "type": "in",
        "action": "ACCEPT",
        "enable": "1",
        "proto": "tcp",
        "dport": "80",
        "source": "10.0.0.1",
        "comment": f"phoenix:{one.key} web",
    }


def test_ping_is_a_macro() -> None:
    """A rule for ICMP accepts echo requests only."""
    assert Rule("in", "icmp").parameters["macro"] == "Ping"
    assert "proto" not in Rule("in", "icmp").parameters


@pytest.mark.parametrize("number", [1, 15, 16, 40])
def test_many_ports(number: int) -> None:
    """A rule has at most fifteen ports, because Proxmox skips a rule with more."""
    services = {f"s{port}": Service(port=port, expose=True) for port in range(8000, 8000 + number)}
    small = estate(guest("app", 20, services=services))
    rules = Filter(small)
    assert max(len(rule.dport.split(",")) for rule in rules.rules["app"]) <= 15
    assert all(rules.accepts("app", "in", ("10.0.0.2", "10.0.0.20"), port) for port in range(8000, 8000 + number))
