"""Programs that hold an address and port of Phoenix are named; others at the same port are no problem."""

from __future__ import annotations

import pytest

from phoenix.pve.placement.listeners import NeededPort, listener_problems, needed_ports, read_listeners
from tests.support.estates import estate, guest, hypervisor

NEEDED = needed_ports(estate(), hypervisor())
OURS = """listener udp UNCONN 0      0        10.0.0.3:53      0.0.0.0:*    users:(("dnsmasq",pid=7,fd=4))
listener tcp LISTEN 0      32       10.0.0.2:53      0.0.0.0:*    users:(("dnsmasq",pid=8,fd=5))
unit 7 phoenix-dns-guest.service
unit 8 phoenix-dns-lan.service
"""


def line(address: str, users: str = '"named",pid=9,fd=4', protocol: str = "udp", port: int = 53) -> str:
    """A listener as ss prints it."""
    process = f"    users:(({users}))" if users else ""
    return f"listener {protocol} UNCONN 0      0        {address}:{port}      0.0.0.0:*{process}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OURS, ()),
        (line("127.0.0.53%lo", '"systemd-resolve",pid=9,fd=4'), ()),
        (line("10.0.0.99"), ()),
        (line("[::]"), ()),
        (line("[fd00::1]"), ()),
        (line("0.0.0.0", port=54), ()),
        (
            line("0.0.0.0", '"dnsmasq",pid=9,fd=4')
            + line("0.0.0.0", '"dnsmasq",pid=9,fd=5', "tcp")
            + "unit 9 dnsmasq.service\n",
            (
                (
                    "dnsmasq (pid 9, dnsmasq.service) listens on 0.0.0.0:53 (tcp, udp), and Phoenix serves names at "
                    "10.0.0.2 and 10.0.0.3: `systemctl disable --now dnsmasq.service`, or"
                ),
            ),
        ),
        (line("*") + "unit 9 -\n", ("named (pid 9) listens on *:53 (udp)",)),
        (line("0.0.0.0%virbr0"), ("named (pid 9) listens on 0.0.0.0%virbr0:53 (udp)",)),
        (line("10.0.0.2") + line("10.0.0.3"), ("on 10.0.0.2:53", "on 10.0.0.3:53")),
        (line("10.0.0.3", ""), ("a program that ss does not name listens on 10.0.0.3:53",)),
        (line("0.0.0.0", '"a",pid=1,fd=4),("b",pid=2,fd=4'), ("a (pid 1) listens", "b (pid 2) listens")),
        (
            OURS + line("10.0.0.2", '"unbound",pid=3,fd=1') + "unit 3 unbound.service\n",
            ("unbound (pid 3, unbound.service)",),
        ),
    ],
)
def test_problems(text: str, says: tuple[str, ...]) -> None:
    """Listeners conflict by address, whatever they are; a program is named with its pid, unit, and address."""
    problems = list(listener_problems("pve", NEEDED, read_listeners(text)))
    assert len(problems) == len(says)
    assert [words for words, problem in zip(says, problems, strict=True) if words not in problem] == []


@pytest.mark.parametrize(
    ("users", "unit", "count"),
    [
        ("", "-", 0),
        ('"ganesha.nfsd",pid=5,fd=3', "nfs-ganesha.service", 1),
        ('"x",pid=5,fd=3', "nfs-server.service", 0),
    ],
)
def test_kernel(users: str, unit: str, count: int) -> None:
    """The kernel may hold the port of NFS, where it is Phoenix's own server; a program may not."""
    made = estate(guest("db", 20, kind="vm", persistent_storage="/data"))
    needed = needed_ports(made, made.hypervisors[0])
    assert (
        NeededPort(2049, (made.hypervisors[0].address,), "exports storage", ("nfs-server.service",), is_kernel=True)
        in needed
    )
    text = line("0.0.0.0", users, "tcp", 2049) + f"unit 5 {unit}\n"
    assert len(list(listener_problems("pve", needed, read_listeners(text)))) == count
