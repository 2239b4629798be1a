"""Portainer: registers its agents from its own host, with the client certificate that they require."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.conventions import BUNDLE, PROGRAMS, REGISTRATION_UNIT, STATE, SYSTEMD, container_unit
from phoenix.converge import MADE, Change, Directory, File, Leftovers, ManagedGlob, Observation, Probe, Resource, Unit
from phoenix.derive.certificates import leaves_of
from phoenix.derive.flows import clients
from phoenix.estate import Guest
from phoenix.run import Converge, Run
from phoenix.tasks.certificates.leaf_resource import LeafFiles
from phoenix.tasks.support.mounts import behind_mount
from phoenix.templating import render, shell_program

SCRIPT = f"{PROGRAMS}/register-agent"
SERVICE = "portainer"
"""Portainer's service, and its container."""
TITLE = "agents known to Portainer"
REGISTERED, OLD_CERTIFICATE, SILENT = "registered", "certificate", "silent"
"""What the program says: nothing to do, all are known with another certificate, or Portainer does not answer."""


def portainer_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The registration program, its unit, and the registered state; without an agent, no program and no unit."""
    agents = _agents(run, guest)
    if SERVICE not in guest.services:
        return _absent()
    text = _program(run, guest, agents)
    if not agents:
        return (Withdrawal(text), *_absent())
    leaves = tuple(LeafFiles(leaf, run.known_authority) for leaf in leaves_of(run.estate, guest.name))
    unit = render("portainer/register-agents.service.j2", script=SCRIPT)
    return (
        Directory(PROGRAMS),
        File(SCRIPT, text, mode="0755"),
        Unit(REGISTRATION_UNIT, unit, enabled=None, active=None),
        behind_mount(run, guest, password_file(guest), Registration(leaves)),
    )


@dataclass(frozen=True)
class Registration:
    """The agents in Portainer. A new leaf registers them by itself, and a Portainer that is down cannot be asked."""

    leaves: tuple[LeafFiles, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask Portainer, and for all that makes its answer change: its container and its leaves."""
        asked = Probe("command", TITLE, f"timeout 25 {SCRIPT} --check")
        unit = Probe("unit", container_unit(SERVICE))
        return (asked, unit, *(probe for leaf in self.leaves for probe in leaf.probes()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Register the agents, unless an earlier change of the same plan does."""
        said = seen.outputs.get(TITLE, "").strip()
        if said == REGISTERED or (said in (OLD_CERTIFICATE, SILENT) and self._is_due(seen, said)):
            return ()
        wait = shell_program("portainer/wait.sh", register=SCRIPT)
        return (Change(TITLE, "update", f"is {said!r}" if said else "", script=f"({wait})"),)

    def _is_due(self, seen: Observation, said: str) -> bool:
        unit = seen.units.get(container_unit(SERVICE))
        is_down = unit is not None and unit.load == "loaded" and unit.active != "active"
        return (said == SILENT and is_down) or any(leaf.changes(seen) for leaf in self.leaves)


@dataclass(frozen=True)
class Withdrawal:
    """No agent in Portainer that this estate registered, on a host that still has the program."""

    program: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the program of earlier deployments."""
        return (Probe("listing", SCRIPT),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Remove the estate's environments from Portainer."""
        if not seen.listings.get(SCRIPT):
            return ()
        _, _, script = self.program.partition("\n")
        return (Change(TITLE, "remove", "no agent is declared", script=f"(set --\n{script})"),)


def portainer_leftovers() -> tuple[Resource, ...]:
    """Nothing of the registration on a host that is no longer Portainer's."""
    return (Leftovers(f"{SYSTEMD}/{REGISTRATION_UNIT}", "Description=Portainer's copy"), Leftovers(SCRIPT, MADE))


def password_file(guest: Guest) -> str:
    """Path of Portainer's generated admin password."""
    return f"{guest.persistent_storage}/portainer/admin_password"


def _absent() -> tuple[Resource, ...]:
    return (ManagedGlob(f"{SYSTEMD}/{REGISTRATION_UNIT}", ()), ManagedGlob(SCRIPT, ()))


def _program(run: Run, guest: Guest, agents: list[tuple[str, str, int]]) -> str:
    """The program with its values; a client's leaf exists only if there is an agent."""
    names = {f"{service}-client" for _, service, _ in agents[:1]}
    leaf = next((leaf for leaf in leaves_of(run.estate, guest.name) if leaf.name in names), None)
    return shell_program(
        "portainer/register-agent.sh",
        port=guest.services[SERVICE].port,
        unit=container_unit(SERVICE),
        password_file=password_file(guest),
        tag=f"phoenix-{run.estate.zone}",
        bundle=BUNDLE,
        certificate=leaf.certificate if leaf else "",
        key=leaf.key if leaf else "",
        agents=(f"{host}={run.estate.fqdn(service)}:{port}" for host, service, port in agents),
        mark=f"{STATE}/portainer",
    )


def _agents(run: Run, portainer: Guest) -> list[tuple[str, str, int]]:
    return [
        (guest.name, name, service.port)
        for guest in run.estate.guests
        for name, service in guest.services.items()
        if guest.has("portainer_agent") and service.tls == "mutual"
        if portainer.name in clients(run.estate, service.clients)
    ]


register_agents = Converge("register_agents", portainer_resources)
"""Register every agent that names Portainer as a client; remove those that were and are no longer declared."""
