"""DNS: two dnsmasq instances on the hypervisor, one per view, and the resolvers that query them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from phoenix.conventions import DNS_DIRECTORY, DNS_PORT, DNS_WATCH_UNIT, PROGRAMS, dns_unit
from phoenix.converge import Change, Command, Daemon, Directory, File, Plan, Resource, Unit
from phoenix.converge.change import text_diff
from phoenix.derive.names import VIEWS, View, answered_zones, private_answers, ptr_records_first
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Converge, Planned, Run
from phoenix.templating import program, render, shell_program

WATCH = f"{PROGRAMS}/watch-dns"
NODE_SERVERS = ("dns1", "dns2", "dns3")
RESOLVER = "/etc/resolv.conf"
RESOLVED = "/run/systemd/resolve/resolv.conf"
"""The upstream servers of systemd-resolved, where RESOLVER links to its stub (systemd-resolved.service(8))."""

TAILSCALE = "/etc/resolv.pre-tailscale-backup.conf"
"""The settings that Tailscale replaced with its own server, which forwards to the servers in them."""
TAILSCALE_SERVER = "100.100.100.100"


def resolver_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """A guest's resolver: the guest view only."""
    lines = _format_settings(run.estate.zone, run.estate.hypervisor_of(guest).guest_resolver)
    functions = _resolver_functions(lines)
    answer = f"({functions}write_resolver)"
    return (Command(f"resolver {RESOLVER}", f"{functions}read_resolver", lines, answer),)


def _format_settings(search: str, *servers: IPv4Address) -> str:
    return "\n".join((f"search {search}", *(f"nameserver {server}" for server in servers)))


def _resolver_functions(lines: str) -> str:
    return shell_program("dns/resolver.sh", file=RESOLVER, resolved=RESOLVED, tailscale=TAILSCALE, lines=lines)


def dns_resources(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """Both DNS views of a hypervisor, and their watchdog."""
    return (
        Directory(DNS_DIRECTORY),
        *(_view(run, hypervisor, view) for view in VIEWS),
        *_watch(run, hypervisor),
    )


def _view(run: Run, hypervisor: Hypervisor, view: View) -> Daemon:
    estate = run.estate
    listen = _listens(hypervisor, view)
    config, hosts = f"{DNS_DIRECTORY}/{view}.conf", f"{DNS_DIRECTORY}/{view}-hosts"
    values = {
        "view": view,
        "address": listen,
        "zones": answered_zones(estate),
        "forward": tuple(estate.settings.forward),
        "upstream": estate.settings.network.upstream_dns,
        "private_answers": private_answers(estate),
        "hosts": hosts,
    }
    answers = [(record.source, record.address(view), record.name) for record in ptr_records_first(estate, view)]
    bridge = hypervisor.bridge if view == "guest" else ""
    unit = render("dns/unit.service.j2", view=view, config=config, bridge=bridge, address=listen)
    return Daemon(
        Unit(dns_unit(view), unit),
        files=(File(config, render("dns/view.conf.j2", **values)),),
        reread=(File(hosts, render("dns/hosts.j2", view=view, answers=answers)),),
        check=f"dnsmasq --test --conf-file={config}",
        probe=f"ss -Hlnu 'src {listen}:{DNS_PORT}' | grep -q :{DNS_PORT}",
        on_change="restart",
    )


def _watch(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """Restart servers that hang; systemd restarts those that exit."""
    views = [(dns_unit(view), str(_listens(hypervisor, view))) for view in VIEWS]
    name = run.estate.fqdn(hypervisor.node)
    unit = render("dns/watch.service.j2", views=views, program=WATCH, name=name)
    file = File(WATCH, program("dns/watch.pl"), mode="0755")
    watch = Unit(DNS_WATCH_UNIT, unit)
    return (Daemon(watch, files=(file,), check=f"perl -c {WATCH}", on_change="restart"),)


def _lines(settings: Mapping[str, str]) -> str:
    return "\n".join(f"{key} {settings[key]}" for key in sorted(settings))


def _listens(hypervisor: Hypervisor, view: View) -> IPv4Address:
    return hypervisor.address if view == "lan" else hypervisor.guest_resolver


def plan_node_resolver(run: Run, hypervisor: Hypervisor) -> Plan:
    """Compare the node's resolver with the estate's own views (Proxmox VE API, nodes/{node}/dns).

    The second server is asked while the first is silent. It knows the estate's names and forwards the others, so that
    no name of the estate leaves it.
    """
    path, wanted = _resolver_path(hypervisor), node_resolver(run, hypervisor)
    seen = {key: value for key, value in run.links.api(hypervisor.name).get(path).items() if value}
    if _meaning(seen) == _meaning(wanted) or _is_followed(run, hypervisor, seen):
        return Plan()
    return Plan((Change(f"resolver {RESOLVER}", "update", diff=text_diff(path, _lines(seen), _lines(wanted))),))


def _meaning(settings: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The search domains and the servers of a node's settings, in their order; names are equal in any case."""
    domains = [domain.lower().removesuffix(".") for domain in settings.get("search", "").split()]
    return domains, [settings[key] for key in NODE_SERVERS if key in settings]


def _is_followed(run: Run, hypervisor: Hypervisor, seen: Mapping[str, str]) -> bool:
    """Report whether the node asks a server of Tailscale that follows the wanted settings."""
    if _meaning(seen)[1] != [TAILSCALE_SERVER]:
        return False
    lines = _format_settings(run.estate.zone, hypervisor.guest_resolver, hypervisor.address)
    read = run.links.shell(hypervisor.name).run(f"{_resolver_functions(lines)}read_resolver")
    return read.out.strip() == lines


def apply_node_resolver(run: Run, hypervisor: Hypervisor, plan: Plan) -> Plan:
    """Write the node's resolver."""
    run.links.api(hypervisor.name).put(_resolver_path(hypervisor), **node_resolver(run, hypervisor))
    return plan


def node_resolver(run: Run, hypervisor: Hypervisor) -> dict[str, str]:
    """The node's resolver settings as API parameters."""
    servers = {"dns1": str(hypervisor.guest_resolver), "dns2": str(hypervisor.address)}
    return {"search": run.estate.zone, **servers}


def _resolver_path(hypervisor: Hypervisor) -> str:
    return f"nodes/{hypervisor.node}/dns"


set_node_resolver = Planned("set_node_resolver", plan_node_resolver, apply_node_resolver)
"""Make the hypervisor resolve names with the estate's own views."""
serve_dns = Converge("serve_dns", dns_resources)
"""Serve both DNS views and their watchdog."""


keep_resolver = Converge("keep_resolver", resolver_resources)
"""Undo edits of a guest's resolver, which Proxmox VE writes at its start."""
