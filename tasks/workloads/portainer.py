"""Portainer: registers its agents from its own host, with the client certificate that they require."""

from __future__ import annotations

from phoenix.conventions import BUNDLE, PROGRAMS, REGISTRATION_UNIT, STATE, SYSTEMD
from phoenix.converge import Command, Directory, File, ManagedGlob, Resource, Unit
from phoenix.derive.certificates import client_leaf
from phoenix.derive.flows import clients
from phoenix.estate import Guest
from phoenix.run import Converge, Run
from phoenix.templating import render, shell_program

SCRIPT = f"{PROGRAMS}/register-agent"


def portainer_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The registration program, its unit, and the registered state; without an agent, no program and no unit."""
    agents = _agents(run, guest)
    if not agents or "portainer" not in guest.services:
        return (ManagedGlob(f"{SYSTEMD}/{REGISTRATION_UNIT}", ()), ManagedGlob(SCRIPT, ()))
    leaf = client_leaf(run.estate, agents[0][1], guest.name)
    script = shell_program(
        "portainer/register-agent.sh",
        port=guest.services["portainer"].port,
        password_file=password_file(guest),
        bundle=BUNDLE,
        certificate=leaf.certificate,
        key=leaf.key,
        agents=(f"{host}={run.estate.fqdn(service)}:{port}" for host, service, port in agents),
        mark=f"{STATE}/portainer",
    )
    unit = render("portainer/register-agents.service.j2", script=SCRIPT)
    wait = shell_program("portainer/wait.sh", register=SCRIPT)
    return (
        Directory(PROGRAMS),
        File(SCRIPT, script, mode="0755"),
        Unit(REGISTRATION_UNIT, unit, enabled=None, active=None),
        Command("agents known to Portainer", f"timeout 90 {SCRIPT} --check", "registered", f"({wait})"),
    )


def password_file(guest: Guest) -> str:
    """Path of Portainer's generated admin password."""
    return f"{guest.persistent_storage}/portainer/admin_password"


def _agents(run: Run, portainer: Guest) -> list[tuple[str, str, int]]:
    return [
        (guest.name, name, service.port)
        for guest in run.estate.guests
        for name, service in guest.services.items()
        if guest.has("portainer_agent") and service.tls == "mutual"
        if portainer.name in clients(run.estate, service.clients)
    ]


register_agents = Converge("register_agents", portainer_resources)
"""Register every agent that names Portainer as a client."""
