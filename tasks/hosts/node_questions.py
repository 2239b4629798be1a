"""Preflight's questions to a node's shell: its commands, space, networks, ports, and the addresses of all guests there.

All of them are part of the one observation that preflight makes; only the search for addresses in use is a second one,
which is made if guests are created or get another address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.connections.ssh import ConnectionFailedError
from phoenix.converge import Change, Observation, Probe
from phoenix.estate import Hypervisor
from phoenix.pve.placement.address_conflicts import AddressConflict, address_conflicts
from phoenix.pve.placement.configured_guests import ConfiguredGuest, read_configured_guests
from phoenix.pve.placement.listeners import listener_problems, needed_ports, read_listeners
from phoenix.pve.placement.neighbors import can_ask, read_neighbors, silent_gateway, taken_addresses
from phoenix.pve.placement.network import NodeNetwork, network_problems, read_node_network
from phoenix.run import Run
from phoenix.templating import shell_program

COMMANDS = (
    "lxc-attach",
    "lxc-info",
    "nsenter",
    "flock",
    "pct",
    "pve-firewall",
    "perl",
    "systemctl",
    "ip",
    "ss",
    "apt-get",
    "curl",
    "openssl",
    "sha256sum",
    "base64",
)
MISSING_COMMANDS, FREE_SPACE = "missing commands", "space"
NODE_NAME, ADDRESSES, BRIDGES = "node name", "node addresses", "bridges"
LISTENERS, GUEST_CONFIGS = "listeners", "guest configurations"
MIN_FREE_KIB = 200_000
CONFIGS = "/etc/pve"
ANSWER_SECONDS = 1
ASK_SECONDS = 30.0


@dataclass(frozen=True)
class NodeQuestions:
    """The questions in the form of a resource that is never changed; with `ports`, also those of a deployment."""

    hypervisor: Hypervisor
    ports: tuple[int, ...] = ()

    def probes(self) -> tuple[Probe, ...]:
        """Ask for missing commands and for free space on / in KiB; then for networks, listeners and guests."""
        optional = {"zfs": self.hypervisor.datasets, "pvenode": self.hypervisor.web_certificate}
        commands = (*COMMANDS, *(command for command, needed in optional.items() if needed))
        missing = shell_program("hosts/missing-commands.sh", commands=commands)
        always = (
            Probe("command", MISSING_COMMANDS, missing),
            Probe("command", FREE_SPACE, "df --output=avail -k / | tail -n 1"),
        )
        return (*always, *self._placement()) if self.ports else always

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Change nothing."""
        return ()

    def _placement(self) -> tuple[Probe, ...]:
        return (
            Probe("command", NODE_NAME, "uname -n"),
            Probe("command", ADDRESSES, "ip -4 -o address show"),
            Probe("command", BRIDGES, "ip -o link show type bridge; ip -o link show type openvswitch"),
            Probe("command", LISTENERS, shell_program("hosts/listeners.sh", ports=self.ports)),
            Probe("command", GUEST_CONFIGS, shell_program("hosts/guest-configs.sh", configs=CONFIGS)),
        )


def deployment_questions(run: Run, hypervisor: Hypervisor) -> NodeQuestions:
    """The questions of a run that creates and changes guests."""
    return NodeQuestions(hypervisor, tuple(need.port for need in needed_ports(run.estate, hypervisor)))


def base_problems(hypervisor: Hypervisor, seen: Observation) -> Iterator[str]:
    """Judge what every run needs of a node."""
    if missing := seen.outputs.get(MISSING_COMMANDS, "").split():
        yield f"{hypervisor.name}: these commands are missing on the node: {', '.join(missing)}"
    if int(seen.outputs.get(FREE_SPACE, "0").strip() or 0) < MIN_FREE_KIB:
        yield f"{hypervisor.name}: less than 200 MB are free on /; make room"


def placement_problems(run: Run, hypervisor: Hypervisor, seen: Observation) -> Iterator[str]:
    """Judge networks and ports of a node."""
    yield from network_problems(hypervisor, run.estate.settings.network, node_network(seen))
    needed = needed_ports(run.estate, hypervisor)
    yield from listener_problems(hypervisor.name, needed, read_listeners(seen.outputs.get(LISTENERS, "")))


def node_network(seen: Observation) -> NodeNetwork:
    """Read the node's name, addresses and bridges."""
    return read_node_network(*(seen.outputs.get(name, "") for name in (NODE_NAME, ADDRESSES, BRIDGES)))


def configured_guests(seen: Observation) -> tuple[ConfiguredGuest, ...]:
    """Read every guest of the cluster, with its addresses."""
    return read_configured_guests(seen.outputs.get(GUEST_CONFIGS, ""))


def conflicts(run: Run, hypervisor: Hypervisor, configured: Iterable[ConfiguredGuest]) -> tuple[AddressConflict, ...]:
    """Find the addresses of the inventory that other guests of the cluster have, except guests that the run removes."""
    kept = (guest for guest in configured if guest.vmid not in run.consent.pruned)
    existing = frozenset(guest.vmid for guest in run.guests.listed() if guest.node == hypervisor.node)
    return tuple(address_conflicts(run.estate, hypervisor, kept, run.targets, existing))


def ask_neighbors(
    run: Run, hypervisor: Hypervisor, wanted: Mapping[IPv4Address, str], node: NodeNetwork
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ask the network which addresses that guests will get are in use; return problems and notes.

    `wanted` are the names of the guests by address. The gateway is asked as well.
    """
    if not wanted:
        return (), ()
    gateway = run.estate.settings.network.gateway
    gateways = (gateway,) if can_ask(gateway, node) else ()
    script = shell_program("hosts/answering.sh", addresses=map(str, (*wanted, *gateways)), limit=ANSWER_SECONDS)
    try:
        neighbors = read_neighbors(run.session(hypervisor.name).run(script, ASK_SECONDS).out)
    except ConnectionFailedError as error:
        return (str(error),), ()
    notes = (note for one in gateways for note in silent_gateway(hypervisor.name, one, neighbors))
    return tuple(taken_addresses(hypervisor.name, wanted, neighbors)), tuple(notes)
