"""Name resolution from the client and from every guest, with dig, dnsperf and the C library's resolver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system import bench

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(240)]

ZONE = bench.ZONE
EDGE, MESH = "10.0.0.153", "10.0.0.12"
LAN_SERVER, GUEST_SERVER = "10.0.0.13", "10.0.0.53"
# Written from the estate's description, not derived by the product.
HTTP = {*(f"{name}.{ZONE}" for name in bench.SERVICES), "portainer.phoenix.local"}
SAME_IN_BOTH_VIEWS = {
    f"ca.{ZONE}": "10.0.0.10",
    f"step-ca.{ZONE}": "10.0.0.10",
    f"phoenix.{ZONE}": "10.0.0.13",
    f"nginx-gateway.{ZONE}": EDGE,
    f"drphoenix.{ZONE}": "10.0.0.102",
    f"portainer-agent.{ZONE}": "10.0.0.102",
    "agent.agent.phoenix.local": "10.0.0.102",
}
# An address has a reverse name (PTR) only if its machine's name resolves to it in that view. A service with the same
# name as its machine resolves to the edge or the mesh instead.
REVERSE_NAMES = {
    "lan": {
        "10.0.0.10": "step-ca",
        "10.0.0.13": "phoenix",
        EDGE: "nginx-gateway",
        "10.0.0.102": "drphoenix",
    },
    "guest": {
        "10.0.0.10": "step-ca",
        "10.0.0.13": "phoenix",
        EDGE: "nginx-gateway",
        MESH: "traefik",
        "10.0.0.102": "drphoenix",
    },
}
ADDRESSES = ("10.0.0.13", "10.0.0.53", "10.0.0.1", "10.0.0.77", *bench.GUESTS.values())
CLIENTS = ("client", "pve", *bench.GUESTS)


def _expected_answers(view: str) -> dict[tuple[str, str], str]:
    """Return the answer to each query of a view; empty for no such record, NXDOMAIN for no such name."""
    http = EDGE if view == "lan" else MESH
    answers = {(name, "A"): http for name in HTTP}
    answers |= {(name, "A"): address for name, address in SAME_IN_BOTH_VIEWS.items()}
    answers |= {(name, "AAAA"): "" for name, _ in list(answers)}
    answers |= {(f"{name}.{ZONE}", "A"): "NXDOMAIN" for name in ("unknown", "a.qdrant", "_acme-challenge.qdrant")}
    answers[f"unknown.{ZONE}", "AAAA"] = "NXDOMAIN"
    for address in ADDRESSES:
        name = REVERSE_NAMES[view].get(address)
        answers[address, "PTR"] = f"{name}.{ZONE}." if name else "NXDOMAIN"
    return answers


def _dig(server: str, queries: list[tuple[str, str]], transport: str) -> str:
    """Return a script that sends the queries and prints, for each, a line ANSWER and the records or status."""
    lines = "\n".join(f"-x {name}" if kind == "PTR" else f"{name} {kind}" for name, kind in queries)
    options = f"@{server} {transport} +time=3 +tries=2 +noall +comments +answer"
    summary = (
        'awk \'/status: NXDOMAIN/ { print "NXDOMAIN" } /^;; Got answer/ { print "ANSWER" } /^[^;]/ { print $NF } '
        '/timed out|no servers/ { print "LOST" }\''
    )
    return f"cat >/tmp/queries <<'END'\n{lines}\nEND\ndig {options} -f /tmp/queries 2>&1 | {summary}"


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_every_name_from_everywhere(transport: str) -> None:
    """The client and every guest get exactly their view's answer for every name and address, over UDP and TCP."""
    for view, server, hosts in (("lan", LAN_SERVER, ("client",)), ("guest", GUEST_SERVER, CLIENTS[1:])):
        expected = _expected_answers(view)
        outputs = bench.everywhere(hosts, _dig(server, list(expected), transport))
        for host, (status, output) in outputs.items():
            assert status == 0, f"{host}: {output}"
            answers = [" ".join(part.split()) for part in output.split("ANSWER\n")[1:]]
            assert dict(zip(expected, answers, strict=True)) == expected, host


def test_library_answers_as_dig_does() -> None:
    """The C library's resolver returns the same addresses, also for the short name."""
    lookups = f"getent ahostsv4 qdrant.{ZONE} | head -n 1; getent ahostsv4 ca | head -n 1"
    for host, (status, output) in bench.everywhere(("pve", *bench.GUESTS), lookups).items():
        assert (status, [line.split()[0] for line in output.splitlines()]) == (0, [MESH, "10.0.0.10"]), host


@pytest.mark.parametrize("host", ["portainer", "drphoenix"])
def test_docker_containers_resolve_the_same(host: str) -> None:
    """A Docker container's own network and resolver settings give the answers of the guests' view."""
    script = (
        "for id in $(docker ps -q); do pid=$(docker inspect -f '{{.State.Pid}}' $id); "
        'nsenter -t $pid -n unshare -m sh -c "mount --bind /proc/$pid/root/etc/resolv.conf /etc/resolv.conf; '
        f'getent ahostsv4 qdrant.{ZONE} | head -n 1; getent ahostsv4 ca | head -n 1"; done'
    )
    addresses = [line.split()[0] for line in bench.sh(host, script).splitlines()]
    assert addresses
    assert addresses == [MESH, "10.0.0.10"] * (len(addresses) // 2)


SNIFF = """
import socket, sys, time
end, zones = time.monotonic() + float(sys.argv[1]), [zone.encode() for zone in sys.argv[2:]]
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
sniffer.settimeout(0.2)
while time.monotonic() < end:
    try:
        packet = sniffer.recv(2048)
    except TimeoutError:
        continue
    if packet[23] in (6, 17) and packet[36:38] == bytes([0, 53]) and packet[26:30] == bytes([10, 0, 0, 13]):
        print(next((zone.decode() for zone in zones if zone in packet.lower()), "other"))
"""


def test_names_of_the_zones_never_leave() -> None:
    """No query for a name within the zones, of any type, is forwarded to the upstream servers."""
    names = " ".join(
        f"{name} {kind}"
        for name in (
            f"unknown.{ZONE}",
            f"qdrant.{ZONE}",
            ZONE,
            "phoenix.local",
            "x.phoenix.local",
            "77.0.0.10.in-addr.arpa",
        )
        for kind in ("A", "AAAA", "MX", "TXT", "SRV", "NS", "SOA", "HTTPS", "ANY", "PTR")
    )
    with ThreadPoolExecutor(1) as pool:
        sniffed = pool.submit(bench.sh, "internet", f"python3 -c '{SNIFF}' 8 thinkheads phoenix in-addr")
        time.sleep(2)
        for host, server in (("client", LAN_SERVER), ("ollama", GUEST_SERVER)):
            outside = f"plainword A {host}-{time.time()}.example MX"
            bench.sh(host, f"dig +time=2 +tries=1 @{server} {names} {outside} >/dev/null")
        seen = sniffed.result().split()
    assert "other" in seen, "the test saw no packet at all"
    assert set(seen) == {"other"}


def test_rebinding_is_refused() -> None:
    """An external name with an address of the estate is not resolved (DNS rebinding)."""
    assert bench.sh("internet", "dig +short @8.8.8.8 rebinding.example") == "10.0.0.10"
    for host, server in (("client", LAN_SERVER), ("ollama", GUEST_SERVER)):
        assert bench.sh(host, f"dig +short @{server} rebinding.example") == ""


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_external_clients_are_not_answered(transport: str) -> None:
    """Neither view answers a client outside the estate's network, for any name."""
    for server in (LAN_SERVER, GUEST_SERVER):
        for name in (f"ca.{ZONE}", "deb.debian.org"):
            query = f"dig {transport} +time=1 +tries=1 -b 8.8.8.8 @{server} {name}"
            status, output = bench.inside("internet", query)
            assert status == 9, output


def test_load_loses_no_query() -> None:
    """Each view answers 10,000 queries, 100 at a time, half of which it forwards."""
    names = [*sorted(HTTP), *SAME_IN_BOTH_VIEWS, f"unknown.{ZONE}"]
    inside = [f"{name} A" for name in names]
    outside = [f"host-{number}.example A" for number in range(len(names))]
    queries = "\n".join([*inside, *outside])
    for server in (LAN_SERVER, GUEST_SERVER):
        dnsperf = f"dnsperf -s {server} -d /tmp/queries -q 100 -c 20 -n 300 -l 30"
        output = bench.sh("client", f"cat >/tmp/queries <<'END'\n{queries}\nEND\n{dnsperf}")
        statistics = dict(line.strip().split(":", 1) for line in output.splitlines() if line.startswith("  Queries "))
        assert int(statistics["Queries sent"]) >= 10_000, output
        assert statistics["Queries lost"].split()[0] == "0", output


@pytest.fixture
def restarted() -> Iterator[None]:
    """Restart both servers and the watchdog after a test."""
    yield
    bench.sh("pve", "systemctl restart phoenix-dns-lan phoenix-dns-guest phoenix-dns-watch")


DIG = f"dig +short +time=1 +tries=1 @{GUEST_SERVER} ca.{ZONE}"
ALIVE = f"for i in $(seq 60); do {DIG} | grep -qx 10.0.0.10 && exit 0; sleep 0.1; done; exit 1"


@pytest.mark.usefixtures("restarted")
def test_removed_address_is_restored() -> None:
    """The guests' server gets its address back soon after a reload of the node's network has removed it."""
    bench.sh("pve", f"ip address delete {GUEST_SERVER}/32 dev vmbr0")
    bench.sh("ollama", ALIVE)


@pytest.mark.usefixtures("restarted")
@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_dead_or_hanging_server_is_restarted(signal: str) -> None:
    """A killed server is restarted at once; a hanging one is detected and restarted, with a message in the journal."""
    bench.sh("pve", f"kill -{signal} $(cat /run/phoenix-dns-guest.pid)")
    bench.sh("ollama", ALIVE)
    if signal == "STOP":
        journal = bench.sh("pve", "journalctl -u phoenix-dns-watch --no-pager -n 5")
        assert "phoenix-dns-guest.service runs and has not answered at 10.0.0.53" in journal


@pytest.mark.usefixtures("restarted")
def test_hypervisor_uses_the_other_view_while_one_is_down() -> None:
    """While the guests' view is down, the hypervisor resolves names with the LAN view."""
    bench.sh("pve", "systemctl stop phoenix-dns-guest")
    assert bench.sh("pve", "getent ahostsv4 deb.debian.org | head -n 1").startswith("151.101.2.132 ")
    assert bench.sh("pve", f"getent ahostsv4 qdrant.{ZONE} | head -n 1").startswith(f"{EDGE} ")
    assert bench.inside("pve", f"getent ahostsv4 unknown.{ZONE}")[0] == 2


DRIFT = (
    ("pve", "sed -i s/^cache-size=.*/cache-size=0/ /etc/phoenix/dns/guest.conf", "file /etc/phoenix/dns/guest.conf"),
    ("pve", "echo nameserver 8.8.8.8 >/etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("ollama", "sed -i s/10.0.0.53/8.8.8.8/ /etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("traefik", "echo nameserver 1.1.1.1 >>/etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("drphoenix", "ln -sf /run/nothing/resolv.conf /etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("pve", "systemctl disable --now phoenix-dns-watch", "unit phoenix-dns-watch.service"),
)


def test_drift_of_resolvers_is_corrected() -> None:
    """Edited dnsmasq options and resolver settings of hypervisor and guests are corrected, and no other file."""
    for host, script, _ in DRIFT:
        bench.sh(host, script)
    corrected = bench.deploy()
    assert corrected.status == 0, corrected.output
    expected = {(host, resource) for host, _, resource in DRIFT}
    assert {change for change in corrected.changes if "dns-guest" not in change[1]} == expected
    for host in ("ollama", "traefik", "drphoenix"):
        assert bench.sh(host, "grep -c ^nameserver /etc/resolv.conf; grep -v ^# /etc/resolv.conf").split() == [
            "1", "search", ZONE, "nameserver", GUEST_SERVER,
        ]  # fmt: skip
    assert bench.sh("pve", "cat /etc/resolv.conf").split("\n") == [
        f"search {ZONE}", f"nameserver {GUEST_SERVER}", f"nameserver {LAN_SERVER}",
    ]  # fmt: skip
    again = bench.deploy()
    assert again.changes == []
