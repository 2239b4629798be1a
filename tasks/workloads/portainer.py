"""Portainer: registers its agents from its own host, with the client certificate that they require."""

from __future__ import annotations

from phoenix.conventions import BUNDLE, PROGRAMS, REGISTRATION_UNIT, SYSTEMD
from phoenix.converge import Command, Directory, File, ManagedGlob, Resource, Unit
from phoenix.derive.certificates import client_leaf
from phoenix.derive.flows import clients
from phoenix.estate import Guest
from phoenix.run import Converge, Run
from phoenix.templating import render

SCRIPT = f"{PROGRAMS}/register-agent"


def portainer_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The registration program, its unit, and the registered state; without an agent, no program and no unit."""
    agents = _agents(run, guest)
    if not agents or "portainer" not in guest.services:
        return (ManagedGlob(f"{SYSTEMD}/{REGISTRATION_UNIT}", ()), ManagedGlob(SCRIPT, ()))
    script = render(
        "portainer/register-agent.sh.j2",
        port=guest.services["portainer"].port,
        password_file=password_file(guest),
        bundle=BUNDLE,
        leaf=client_leaf(run.estate, agents[0][1], guest.name),
        agents=[{"name": host, "address": f"{run.estate.fqdn(service)}:{port}"} for host, service, port in agents],
    )
    unit = render("portainer/register-agents.service.j2", script=SCRIPT)
    register = f"timeout 90 {SCRIPT}"
    wait = f"for try in 1 2 3 4 5 6 7 8 9 10; do {register} && break; sleep 1; done; {register} --check"
    return (
        Directory(PROGRAMS),
        File(SCRIPT, script, mode="0755"),
        Unit(REGISTRATION_UNIT, unit, enabled=None, active=None),
        Command("agents known to Portainer", f"{register} --check", "registered", wait),
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
