"""One question for all: whatever later tasks will ask a host is asked in a single round trip."""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Result, Task

from phoenix.converge import Resource
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Run
from tasks.base import software_resources
from tasks.ca import ca_resources
from tasks.certificate import certificate_resources
from tasks.converging import result, session
from tasks.dns import dns_resources, resolver_resources
from tasks.docker import docker_resources
from tasks.docker import storage_resources as volume_resources
from tasks.nginx import nginx_resources
from tasks.portainer import portainer_resources
from tasks.storage import storage_resources
from tasks.traefik import traefik_resources
from tasks.trust.push import trust_resources
from tasks.web_certificate import web_certificate_resources


def observe_host(task: Task, run: Run) -> Result:
    """Ask the host for everything that this run will compare; change nothing."""
    host, resources = session(task), tuple(desired(task, run))
    host.expect(resources)
    host.observe(resources)
    return result(task, [])


def desired(task: Task, run: Run) -> Iterator[Resource]:
    """Every resource of a host, in the order of the stages."""
    host = run.estate.host(task.host.name)
    if isinstance(host, Hypervisor):
        yield from software_resources(task, run)
        yield from storage_resources(task, run)
        yield from dns_resources(task, run)
    yield from trust_resources(task, run)
    yield from certificate_resources(task, run)
    if isinstance(host, Hypervisor):
        yield from web_certificate_resources(task, run)
    if not isinstance(host, Guest):
        return
    yield from resolver_resources(task, run)
    yield from software_resources(task, run)
    yield from volume_resources(task, run)
    if host.has("step_ca"):
        yield from ca_resources(task, run)
    if host.has("traefik"):
        yield from traefik_resources(task, run)
    if host.has("docker"):
        yield from docker_resources(task, run)
    if host.has("nginx") or host.has("portainer_agent"):
        yield from nginx_resources(task, run)
    if host.has("portainer"):
        yield from portainer_resources(task, run)
