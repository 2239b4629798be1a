"""Names: two dnsmasq instances on the hypervisor, one a view, and the hypervisor's own resolver."""

from __future__ import annotations

from collections.abc import Sequence

from nornir.core.task import Result, Task

from phoenix.converge import Daemon, Directory, File, Resource, Unit
from phoenix.derive.names import Record, records
from phoenix.estate import Hypervisor
from phoenix.run import Run
from tasks.converging import converge, render

AGGREGATED = "/etc/dnsmasq.d/00-phoenix-aggregated-hosts.conf"
DIRECTORY = "/etc/phoenix/dns"


def serve_dns(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Serve both views, and ask the guests' one on the hypervisor itself."""
    return converge(task, *dns_resources(task, run), dry_run=dry_run)


def dns_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that names need on a hypervisor."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    estate = run.estate
    every = records(estate)
    common = [record for record in every if record.same_in_both_views]
    address = render(task, "dns/address.service.j2", address=hypervisor.guest_resolver, bridge=hypervisor.bridge)
    resolver = f"search {estate.zone}\nnameserver {hypervisor.guest_resolver}\n"
    return (
        Directory(DIRECTORY),
        Directory("/etc/dnsmasq.d"),
        Unit("phoenix-resolver-address.service", address),
        *(_view(task, run, hypervisor, view, common) for view in ("lan", "guest")),
        File("/etc/resolv.conf", resolver),
    )


def _view(task: Task, run: Run, hypervisor: Hypervisor, view: str, common: Sequence[Record]) -> Daemon:
    estate = run.estate
    listen = hypervisor.address if view == "lan" else hypervisor.guest_resolver
    path = f"{DIRECTORY}/{view}.conf"
    config = render(
        task,
        "dns/view.conf.j2",
        view=view,
        address=listen,
        zones=(estate.zone, *estate.settings.alias_zones),
        upstream=estate.settings.network.upstream_dns,
        common=AGGREGATED,
        records=[record for record in records(estate) if not record.same_in_both_views],
    )
    aggregated = render(task, "dns/aggregated.conf.j2", records=common)
    unit = render(task, "dns/unit.service.j2", view=view, config=path)
    return Daemon(
        Unit(f"phoenix-dns-{view}.service", unit),
        files=(File(AGGREGATED, aggregated), File(path, config)),
        check=f"dnsmasq --test --conf-file={path}",
        probe=f"ss -Hlnu 'src {listen}:53' | grep -q :53",
        on_change="restart",
    )
