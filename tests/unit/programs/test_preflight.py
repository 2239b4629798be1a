"""Programs that ask a node or a guest before a deployment; what they call is a stand-in."""

from __future__ import annotations

from pathlib import Path

from phoenix.pve.placement.configured_guests import read_configured_guests
from phoenix.pve.placement.listeners import Listener, read_listeners
from phoenix.pve.placement.neighbors import read_neighbors
from phoenix.templating import shell_program
from tests.support.programs import ProgramHost

CONTAINER = """#a comment: net0
arch: amd64
hostname: wiki
net0: name=eth0,bridge=vmbr0,hwaddr=52:54:00:00:00:01,ip=10.0.0.60/24,type=veth

[pve:pending]
net0: name=eth0,bridge=vmbr0,hwaddr=52:54:00:00:00:01,ip=10.0.0.61/24,type=veth

[before]
net0: name=eth0,bridge=vmbr0,hwaddr=52:54:00:00:00:01,ip=10.0.0.62/24,type=veth
"""


def test_guest_configs(host: ProgramHost) -> None:
    """Only the current section of each guest of each node is printed: no snapshots, no pending changes, no comments."""
    configs = host.here / "etc"
    for path, text in {
        "nodes/a/lxc/917.conf": CONTAINER,
        "nodes/b/qemu-server/1001.conf": "name: db\nnet0: virtio=52:54:00:00:00:02\nipconfig0: ip=10.0.0.7/24\n",
        "nodes/a/lxc/notes.txt": "hostname: no guest\n",
    }.items():
        (configs / path).parent.mkdir(parents=True, exist_ok=True)
        (configs / path).write_text(text)
    done = host.run(shell_program("hosts/guest-configs.sh", configs=str(configs)))
    assert [(g.vmid, g.node, g.name, *map(str, g.addresses)) for g in read_configured_guests(done.stdout)] == [
        (917, "a", "wiki", "10.0.0.60"),
        (1001, "b", "db", "10.0.0.7"),
    ]


def test_no_guests(host: ProgramHost, tmp_path: Path) -> None:
    """A node without guests has none to print."""
    done = host.run(shell_program("hosts/guest-configs.sh", configs=str(tmp_path / "absent")))
    assert (done.returncode, done.stdout) == (0, "")


def test_listeners(host: ProgramHost) -> None:
    """Listeners are printed with their programs, and each program once with its unit."""
    lines = (
        'udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("dnsmasq",pid=9,fd=4))\n'
        'tcp LISTEN 0 32 0.0.0.0:53 0.0.0.0:* users:(("dnsmasq",pid=9,fd=5))\n'
        "tcp LISTEN 0 64 *:2049 *:*\n"
    )
    host.stand_in("ss", f"cat <<'END'\n{lines}END")
    host.stand_in("ps", "echo dnsmasq.service")
    done = host.run(shell_program("hosts/listeners.sh", ports=(53, 2049)))
    assert read_listeners(done.stdout) == (
        Listener("udp", "0.0.0.0", 53, "dnsmasq", "9", "dnsmasq.service"),
        Listener("tcp", "0.0.0.0", 53, "dnsmasq", "9", "dnsmasq.service"),
        Listener("tcp", "*", 2049),
    )
    assert host.calls == ["ss -Hlntup ( sport = :53 or sport = :2049 )", "ps -o unit= -p 9"]


def test_no_listeners(host: ProgramHost) -> None:
    """Where nothing listens, nothing is printed."""
    host.stand_in("ss")
    assert host.run(shell_program("hosts/listeners.sh", ports=(53,))).stdout == ""


def test_answering(host: ProgramHost) -> None:
    """All addresses are asked anew, at once, and those that answer are printed."""
    host.stand_in("ping", "exit 1")
    host.stand_in("ip", '[ "$3$5" != show10.0.0.60 ] || echo "$5 dev vmbr0 lladdr aa:aa:aa:aa:aa:aa REACHABLE"')
    done = host.run(shell_program("hosts/answering.sh", addresses=("10.0.0.60", "10.0.0.61"), limit=1))
    assert [str(address) for address in read_neighbors(done.stdout)] == ["10.0.0.60"]
    flushed = host.calls.index("ip -4 neigh flush to 10.0.0.60")
    assert flushed < host.calls.index("ping -n -q -c 1 -W 1 10.0.0.60")


def test_package_mirrors(host: ProgramHost) -> None:
    """Missing packages, sites and proxies are printed, one a line."""
    host.stand_in("dpkg-query", '[ "$4" != curl ] || printf installed')
    host.stand_in("apt-get", "printf 'site http://deb.debian.org/debian\\nsite http://deb.debian.org/debian\\n'")
    host.stand_in("apt-config", 'echo "Acquire::http::Proxy \\"http://10.0.0.5:3142/\\";"')
    done = host.run(shell_program("guests/package-mirrors.sh", packages=("curl", "nginx")))
    assert done.stdout.splitlines() == [
        "missing nginx",
        "site http://deb.debian.org/debian",
        "proxy http http://10.0.0.5:3142/",
    ]
    assert "apt-get indextargets --format site $(SITE) Created-By: Packages" in host.calls
