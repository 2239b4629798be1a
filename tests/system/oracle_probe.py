"""Runs on the hypervisor: sends the packets of recorded cases through the lab's filter, in network namespaces.

For each case on standard input (``{"case": …, "filter": nft text}``) it creates Proxmox's bridges, loads the filter,
sends every packet, and prints the packets whose verdict differs from the recorded one. Senders and receivers are
namespaces. Each receiver redirects all ports to one listener. The host filters before such a redirect would apply, so
it listens on the tested ports instead. A refusal can therefore only come from the filter. Most of the time passes
waiting for dropped packets, so many cases run concurrently.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 10
LISTENER = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    ready.register(socket.create_server(("", port), backlog=256), selectors.EVENT_READ, "tcp")
    u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("", port)); ready.register(u, selectors.EVENT_READ, "udp")
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.data == "tcp": key.fileobj.accept()[0].close()
        else: key.fileobj.sendto(*key.fileobj.recvfrom(99))
"""
SENDER = """
import json, socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
WAIT = 0.8
def send(p):
    if p["proto"] == "icmp":
        command = ["ping", "-c1", "-W1", "-I", p["source"], p["dest"]]
        return "ACCEPT" if subprocess.run(command, capture_output=True).returncode == 0 else "DROP"
    s = socket.socket(type=socket.SOCK_STREAM if p["proto"] == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(WAIT)
    try:
        s.bind((p["source"], 0)); s.connect((p["dest"], p["dport"]))
        if p["proto"] == "udp":
            try: s.send(b"x")
            except PermissionError: pass  # blocked by the host's own output chain; recv below returns a refusal
            s.recv(9)
    except (TimeoutError, PermissionError): return "DROP"
    except ConnectionRefusedError: return "REJECT"
    except OSError as error: return str(error)
    finally: s.close()
    return "ACCEPT"
with ThreadPoolExecutor(60) as pool:
    print(json.dumps(list(pool.map(send, json.load(sys.stdin)))))
"""
REDIRECT = (
    "table ip n { chain p { type nat hook prerouting priority -100; meta l4proto { tcp, udp } redirect to :5000; }; }"
)


def run(*argv: str, feed: str = "") -> str:
    """Run a program that must succeed; return its output."""
    return subprocess.run(argv, input=feed, capture_output=True, text=True, timeout=60, check=True).stdout


def inside(space: str, *argv: str, feed: str = "") -> str:
    """Run a program in a network namespace that must succeed; return its output."""
    return run("ip", "netns", "exec", space, *argv, feed=feed)


def space_of(tag: str, name: str) -> str:
    """Return the namespace of a packet's sender or receiver in the case with that tag."""
    return f"{tag}-{name.removeprefix('ct').removeprefix('vm')}"


def create(case: dict[str, Any], tag: str) -> list[str]:
    """Create the namespaces of the host, the guests and the outside; return their names, the host's first."""
    switch, outside = space_of(tag, "host"), space_of(tag, "outside")
    spaces = [switch, outside, *(f"{tag}-{vmid}" for vmid in case["guests"])]
    for space in spaces:
        run("ip", "netns", "add", space)
        run("ip", "-n", space, "link", "set", "lo", "up")
    steps = ["link add vmbr0 type bridge forward_delay 0", "link set vmbr0 up", "addr add 10.0.0.13/24 dev vmbr0"]
    steps += [f"link add out0 type veth peer name eth0 netns {outside}", "link set out0 master vmbr0 up"]
    for vmid, guest in case["guests"].items():
        veth, bridge = f"veth{vmid}i0", "vmbr0"
        steps += [f"link add {veth} type veth peer name eth0 address {guest['mac']} netns {tag}-{vmid}"]
        if guest["nic_firewall"]:
            bridge, inner, outer = f"fwbr{vmid}i0", f"fwln{vmid}i0", f"fwpr{vmid}p0"
            steps += [f"link add {bridge} type bridge forward_delay 0", f"link set {bridge} arp off up"]
            steps += [f"link add {outer} type veth peer name {inner}", f"link set {inner} master {bridge} up"]
            steps += [f"link set {outer} master vmbr0 up"]
        steps += [f"link set {veth} master {bridge} up"]
    run("ip", "-n", switch, "-batch", "-", feed="\n".join([*steps, "route add default via 10.0.0.251"]))
    # Turn off the rate limit of ICMP errors: with it, a burst of refusals would look like drops.
    inside(switch, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1", "net.ipv4.icmp_ratelimit=0")
    for vmid, guest in case["guests"].items():
        address = [f"addr add {guest['ip']}/24 dev eth0", "link set eth0 up", "route add default via 10.0.0.251"]
        run("ip", "-n", f"{tag}-{vmid}", "-batch", "-", feed="\n".join(address))
    ends = {
        p[side] for p in case["packets"] for end, side in (("from", "source"), ("to", "dest")) if p[end] == "outside"
    }
    own = [
        "addr add 10.0.0.251/24 dev eth0",
        "link set eth0 up",
        *(f"addr add {end}/32 dev lo" for end in sorted(ends)),
    ]
    run("ip", "-n", outside, "-batch", "-", feed="\n".join(own))
    return spaces


def differences(case: dict[str, Any], text: str, tag: str) -> list[Any]:
    """Return the packets of a case whose verdict is not the recorded one."""
    listeners, spaces = [], create(case, tag)
    host_ports = {str(p["dport"]) for p in case["packets"] if p["to"] == "host" and p["proto"] != "icmp"}
    try:
        for space in spaces:
            if space != spaces[0]:
                inside(space, "nft", "-f", "-", feed=REDIRECT)
            ports = host_ports if space == spaces[0] else {"5000"}
            command = ["ip", "netns", "exec", space, sys.executable, "-c", LISTENER, *ports]
            listeners.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for listener in listeners:
            assert listener.stdout
            assert listener.stdout.readline() == "ready\n"
        inside(spaces[0], "nft", "-f", "-", feed=text)
        return [wrong for sender in sorted({p["from"] for p in case["packets"]}) for wrong in send(case, tag, sender)]
    finally:
        for listener in listeners:
            listener.kill()
            listener.wait()
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False)


def send(case: dict[str, Any], tag: str, sender: str) -> list[Any]:
    """Send one sender's packets; return those whose verdict is not the recorded one."""
    packets = [p for p in case["packets"] if p["from"] == sender]
    verdicts = json.loads(inside(space_of(tag, sender), sys.executable, "-c", SENDER, feed=json.dumps(packets)))
    pairs = zip(packets, verdicts, strict=True)
    return [{**packet, "seen": verdict} for packet, verdict in pairs if verdict not in expected(packet)]


def expected(packet: dict[str, Any]) -> set[str]:
    """Return what the sender may see of a recorded verdict.

    A refusal that crosses a second bridge is invalid there and dropped, as by Proxmox. Those to the host cross one.
    """
    if packet["verdict"] != "REJECT":
        return {packet["verdict"]}
    if packet["proto"] == "icmp":
        return {"DROP"}
    return {"REJECT"} if packet["from"] == "host" else {"REJECT", "DROP"}


if __name__ == "__main__":
    cases = json.load(sys.stdin)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(differences, one["case"], one["filter"], f"o{n}") for n, one in enumerate(cases)]
        print(json.dumps([job.result() for job in jobs]))
