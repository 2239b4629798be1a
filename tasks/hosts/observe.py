"""One question for all: whatever later tasks will ask a host is asked in a single round trip."""

from __future__ import annotations

from collections.abc import Iterator

from nornir.core.task import Result, Task

from phoenix.converge import Resource
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Run
from phoenix.tasks.authority.service import ca_resources
from phoenix.tasks.certificates.issue import certificate_resources
from phoenix.tasks.certificates.web_certificate import web_certificate_resources
from phoenix.tasks.hosts.software import software_resources
from phoenix.tasks.hosts.storage import storage_resources
from phoenix.tasks.routing.dns import dns_resources, resolver_resources
from phoenix.tasks.routing.nginx import nginx_resources
from phoenix.tasks.routing.traefik import traefik_resources
from phoenix.tasks.support.converging import result, session
from phoenix.tasks.trust.push import trust_resources
from phoenix.tasks.workloads.docker import docker_resources
from phoenix.tasks.workloads.docker import storage_resources as volume_resources
from phoenix.tasks.workloads.portainer import portainer_resources


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
