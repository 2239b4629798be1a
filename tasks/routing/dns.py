"""Names: two dnsmasq instances on the hypervisor, one a view, and who asks them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from nornir.core.task import Result, Task

from phoenix.converge import Change, Command, Daemon, Directory, File, Resource, Unit
from phoenix.converge.change import text_diff
from phoenix.derive.names import VIEWS, View, in_reading_order, own_zones
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Run
from phoenix.tasks.support.converging import converge, render, result

DIRECTORY = "/etc/phoenix/dns"
WATCH = "/usr/local/lib/phoenix/watch-dns"
RESOLVER = "/etc/resolv.conf"
RESOLVED = "/run/systemd/resolve/resolv.conf"
"""What systemd-resolved really asks, where the other file leads to its stub (systemd-resolved.service(8))."""


def serve_dns(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Serve both views, and watch that they answer."""
    return converge(task, *dns_resources(task, run), dry_run=dry_run)


def set_node_resolver(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Let the hypervisor ask its own views, by Proxmox's settings of the node (nodes/{node}/dns).

    The second one is asked while the first is silent: it knows the names of the estate too, and forwards the others,
    so that no name of the estate is ever asked outside.
    """
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the step runs on hypervisors
    servers = {"dns1": str(hypervisor.guest_resolver), "dns2": str(hypervisor.address)}
    wanted = {"search": run.estate.zone, **servers}
    api, path = run.links.api(hypervisor.name), f"nodes/{hypervisor.node}/dns"
    seen = {key: value for key, value in api.get(path).items() if value}
    if seen == wanted:
        return result(task, [])
    if not task.is_dry_run(dry_run):
        api.put(path, **wanted)
    return result(task, [Change(f"resolver {RESOLVER}", "update", diff=text_diff(path, _lines(seen), _lines(wanted)))])


def keep_resolver(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Undo edits of a guest's resolver; Proxmox wrote it when the guest was started."""
    return converge(task, *resolver_resources(task, run), dry_run=dry_run)


def resolver_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Whom a guest asks: the guests' view, and nobody else."""
    guest = run.estate.host(task.host.name)
    assert isinstance(guest, Guest)  # noqa: S101  # the step runs on guests
    lines = f"search {run.estate.zone}\nnameserver {run.estate.hypervisor_of(guest).guest_resolver}"
    where = f"readlink -f {RESOLVER} | grep -q ^/run/systemd/resolve/ && f={RESOLVED} || f={RESOLVER}"
    ask = f"{where}; grep -v -e '^[#;]' -e '^ *$' $f"
    block = f"# --- BEGIN PVE ---\n{lines}\n# --- END PVE ---\n".replace("\n", "\\n")
    write = f"printf '{block}' >{RESOLVER}.phoenix-new && mv -fT {RESOLVER}.phoenix-new {RESOLVER}"
    return (Command(f"resolver {RESOLVER}", ask, lines, write),)


def dns_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that names need on a hypervisor."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    return (
        Directory(DIRECTORY),
        *(_view(task, run, hypervisor, view) for view in VIEWS),
        *_watch(task, run, hypervisor),
    )


def _view(task: Task, run: Run, hypervisor: Hypervisor, view: View) -> Daemon:
    estate = run.estate
    listen = _listens(hypervisor, view)
    config, hosts = f"{DIRECTORY}/{view}.conf", f"{DIRECTORY}/{view}-hosts"
    upstream = estate.settings.network.upstream_dns
    values = {"view": view, "address": listen, "zones": own_zones(estate), "upstream": upstream, "hosts": hosts}
    answers = [(record.source, record.address(view), record.name) for record in in_reading_order(estate, view)]
    bridge = hypervisor.bridge if view == "guest" else ""
    unit = render(task, "dns/unit.service.j2", view=view, config=config, bridge=bridge, address=listen)
    return Daemon(
        Unit(_unit(view), unit),
        files=(File(config, render(task, "dns/view.conf.j2", **values)),),
        reread=(File(hosts, render(task, "dns/hosts.j2", view=view, answers=answers)),),
        check=f"dnsmasq --test --conf-file={config}",
        probe=f"ss -Hlnu 'src {listen}:53' | grep -q :53",
        on_change="restart",
    )


def _watch(task: Task, run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """Servers that hang are started anew; those that end are systemd's concern."""
    views = [(_unit(view), str(_listens(hypervisor, view))) for view in VIEWS]
    name = run.estate.fqdn(hypervisor.node)
    unit = render(task, "dns/watch.service.j2", views=views, program=WATCH, name=name)
    program = File(WATCH, render(task, "dns/watch.pl"), mode="0755")
    watch = Unit("phoenix-dns-watch.service", unit)
    return (Daemon(watch, files=(program,), check=f"perl -c {WATCH}", on_change="restart"),)


def _lines(settings: Mapping[str, str]) -> str:
    return "\n".join(f"{key} {settings[key]}" for key in sorted(settings))


def _unit(view: View) -> str:
    return f"phoenix-dns-{view}.service"


def _listens(hypervisor: Hypervisor, view: View) -> IPv4Address:
    return hypervisor.address if view == "lan" else hypervisor.guest_resolver
