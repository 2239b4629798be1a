"""The names as machines ask for them: dig, dnsperf and the resolver library, from the client and from every guest."""

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
# Restated from the estate's description, not from the product.
HTTP = {*(f"{name}.{ZONE}" for name in bench.SERVICES), "portainer.phoenix.local"}
SAME = {
    f"ca.{ZONE}": "10.0.0.10",
    f"step-ca.{ZONE}": "10.0.0.10",
    f"phoenix.{ZONE}": "10.0.0.13",
    f"nginx-gateway.{ZONE}": EDGE,
    f"drphoenix.{ZONE}": "10.0.0.102",
    f"portainer-agent.{ZONE}": "10.0.0.102",
    "agent.agent.phoenix.local": "10.0.0.102",
}
# Machines whose own name is a service's answer elsewhere, so nothing leads back to them but what answers with them.
BACKWARDS = {
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
ASKERS = ("client", "pve", *bench.GUESTS)


def _questions(view: str) -> dict[tuple[str, str], str]:
    """Every question with its whole answer; an empty one is no such record, NXDOMAIN no such name."""
    http = EDGE if view == "lan" else MESH
    found = {(name, "A"): http for name in HTTP} | {(name, "A"): address for name, address in SAME.items()}
    found |= {(name, "AAAA"): "" for name, _ in list(found)}
    found |= {(f"{name}.{ZONE}", "A"): "NXDOMAIN" for name in ("nobody", "a.qdrant", "_acme-challenge.qdrant")}
    found[f"nobody.{ZONE}", "AAAA"] = "NXDOMAIN"
    for address in ADDRESSES:
        name = BACKWARDS[view].get(address)
        found[address, "PTR"] = f"{name}.{ZONE}." if name else "NXDOMAIN"
    return found


def _dig(server: str, questions: list[tuple[str, str]], transport: str) -> str:
    """A script that prints one line an answer: the question, and everything that the answer says."""
    asked = "\n".join(f"-x {name}" if kind == "PTR" else f"{name} {kind}" for name, kind in questions)
    options = f"@{server} {transport} +time=3 +tries=2 +noall +comments +answer"
    shown = (
        'awk \'/status: NXDOMAIN/ { print "NXDOMAIN" } /^;; Got answer/ { print "ANSWER" } /^[^;]/ { print $NF } '
        '/timed out|no servers/ { print "LOST" }\''
    )
    return f"cat >/tmp/asked <<'END'\n{asked}\nEND\ndig {options} -f /tmp/asked 2>&1 | {shown}"


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_every_name_from_everywhere(transport: str) -> None:
    """The client and every guest get exactly their view's answer for every name and address, over UDP and over TCP."""
    for view, server, hosts in (("lan", LAN_SERVER, ("client",)), ("guest", GUEST_SERVER, ASKERS[1:])):
        wanted = _questions(view)
        answers = bench.everywhere(hosts, _dig(server, list(wanted), transport))
        for host, (status, output) in answers.items():
            assert status == 0, f"{host}: {output}"
            given = [" ".join(part.split()) for part in output.split("ANSWER\n")[1:]]
            assert dict(zip(wanted, given, strict=True)) == wanted, host


def test_library_answers_as_dig_does() -> None:
    """Programs that ask by the C library's resolver get the same, the short name included."""
    asked = f"getent ahostsv4 qdrant.{ZONE} | head -n 1; getent ahostsv4 ca | head -n 1"
    for host, (status, output) in bench.everywhere(("pve", *bench.GUESTS), asked).items():
        assert (status, [line.split()[0] for line in output.splitlines()]) == (0, [MESH, "10.0.0.10"]), host


@pytest.mark.parametrize("host", ["portainer", "drphoenix"])
def test_docker_containers_resolve_the_same(host: str) -> None:
    """In a container's own network and with its own resolver's settings, names are those of the guests' view."""
    script = (
        "for id in $(docker ps -q); do pid=$(docker inspect -f '{{.State.Pid}}' $id); "
        'nsenter -t $pid -n unshare -m sh -c "mount --bind /proc/$pid/root/etc/resolv.conf /etc/resolv.conf; '
        f'getent ahostsv4 qdrant.{ZONE} | head -n 1; getent ahostsv4 ca | head -n 1"; done'
    )
    found = [line.split()[0] for line in bench.sh(host, script).splitlines()]
    assert found
    assert found == [MESH, "10.0.0.10"] * (len(found) // 2)


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
    """Whatever is asked within the zones, of whatever type, nothing of it reaches the upstream servers."""
    names = " ".join(
        f"{name} {kind}"
        for name in (
            f"nobody.{ZONE}",
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


def test_answers_that_lead_inside_are_refused() -> None:
    """A stranger's name that leads to an address of the estate is not answered (DNS rebinding)."""
    assert bench.sh("internet", "dig +short @8.8.8.8 rebinding.example") == "10.0.0.10"
    for host, server in (("client", LAN_SERVER), ("ollama", GUEST_SERVER)):
        assert bench.sh(host, f"dig +short @{server} rebinding.example") == ""


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_strangers_are_not_answered(transport: str) -> None:
    """From an address that is not the estate's, neither view answers, for names of the zone or of others."""
    for server in (LAN_SERVER, GUEST_SERVER):
        for name in (f"ca.{ZONE}", "deb.debian.org"):
            question = f"dig {transport} +time=1 +tries=1 -b 8.8.8.8 @{server} {name}"
            status, output = bench.inside("internet", question)
            assert status == 9, output


def test_storm_loses_nothing() -> None:
    """10,000 questions to each view, a hundred at a time, half of them to be forwarded: every one is answered."""
    names = [*sorted(HTTP), *SAME, f"nobody.{ZONE}"]
    inside = [f"{name} A" for name in names]
    outside = [f"host-{number}.example A" for number in range(len(names))]
    asked = "\n".join([*inside, *outside])
    for server in (LAN_SERVER, GUEST_SERVER):
        storm = f"dnsperf -s {server} -d /tmp/storm -q 100 -c 20 -n 300 -l 30"
        output = bench.sh("client", f"cat >/tmp/storm <<'END'\n{asked}\nEND\n{storm}")
        said = dict(line.strip().split(":", 1) for line in output.splitlines() if line.startswith("  Queries "))
        assert int(said["Queries sent"]) >= 10_000, output
        assert said["Queries lost"].split()[0] == "0", output


@pytest.fixture
def mended() -> Iterator[None]:
    """Both servers run at the end, whatever became of a test."""
    yield
    bench.sh("pve", "systemctl restart phoenix-dns-lan phoenix-dns-guest phoenix-dns-watch")


ASK = f"dig +short +time=1 +tries=1 @{GUEST_SERVER} ca.{ZONE}"
ALIVE = f"for i in $(seq 60); do {ASK} | grep -qx 10.0.0.10 && exit 0; sleep 0.1; done; exit 1"


@pytest.mark.usefixtures("mended")
def test_address_that_is_gone_comes_back() -> None:
    """The guests' server has its address again soon after a reload of the node's network took it away."""
    bench.sh("pve", f"ip address delete {GUEST_SERVER}/32 dev vmbr0")
    bench.sh("ollama", ALIVE)


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_server_that_dies_or_hangs_is_started_anew(signal: str) -> None:
    """A server killed is back at once; one that hangs is noticed and started anew, and the journal says so."""
    bench.sh("pve", f"kill -{signal} $(cat /run/phoenix-dns-guest.pid)")
    bench.sh("ollama", ALIVE)
    if signal == "STOP":
        said = bench.sh("pve", "journalctl -u phoenix-dns-watch --no-pager -n 5")
        assert "phoenix-dns-guest.service runs and has not answered at 10.0.0.53" in said


@pytest.mark.usefixtures("mended")
def test_hypervisor_asks_its_other_view_while_one_is_down() -> None:
    """Without the guests' view the hypervisor still finds names, those of the estate from its other view alone."""
    bench.sh("pve", "systemctl stop phoenix-dns-guest")
    assert bench.sh("pve", "getent ahostsv4 deb.debian.org | head -n 1").startswith("198.18.0.10 ")
    assert bench.sh("pve", f"getent ahostsv4 qdrant.{ZONE} | head -n 1").startswith(f"{EDGE} ")
    assert bench.inside("pve", f"getent ahostsv4 nobody.{ZONE}")[0] == 2


DRIFT = (
    ("pve", "sed -i s/^cache-size=.*/cache-size=0/ /etc/phoenix/dns/guest.conf", "file /etc/phoenix/dns/guest.conf"),
    ("pve", "echo nameserver 8.8.8.8 >/etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("ollama", "sed -i s/10.0.0.53/8.8.8.8/ /etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("traefik", "echo nameserver 1.1.1.1 >>/etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("drphoenix", "ln -sf /run/nothing/resolv.conf /etc/resolv.conf", "resolver /etc/resolv.conf"),
    ("pve", "systemctl disable --now phoenix-dns-watch", "unit phoenix-dns-watch.service"),
)


def test_drift_of_resolvers_is_undone() -> None:
    """An edited option of dnsmasq, resolver of the hypervisor or of a guest is found and undone, and nothing else."""
    for host, script, _ in DRIFT:
        bench.sh(host, script)
    mended = bench.deploy()
    assert mended.status == 0, mended.output
    expected = {(host, resource) for host, _, resource in DRIFT}
    assert {change for change in mended.changes if "dns-guest" not in change[1]} == expected
    for host in ("ollama", "traefik", "drphoenix"):
        assert bench.sh(host, "grep -c ^nameserver /etc/resolv.conf; grep -v ^# /etc/resolv.conf").split() == [
            "1", "search", ZONE, "nameserver", GUEST_SERVER,
        ]  # fmt: skip
    assert bench.sh("pve", "cat /etc/resolv.conf").split("\n") == [
        f"search {ZONE}", f"nameserver {GUEST_SERVER}", f"nameserver {LAN_SERVER}",
    ]  # fmt: skip
    again = bench.deploy()
    assert again.changes == []
