"""Estate → whether guests that must install packages may connect to their package mirrors.

Which mirrors a guest uses is known only from the guest itself; a new guest uses those of its template, by default HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from phoenix.conventions import HTTP_PORT, HTTPS_PORT
from phoenix.derive.flows import flows_by_host
from phoenix.estate import Estate, Guest
from phoenix.estate.domains import domain_of

SCHEME_PORTS = {"http": HTTP_PORT, "https": HTTPS_PORT}


@dataclass(frozen=True, order=True)
class Mirror:
    """The port of a package mirror, and its host; the host of the default mirror is not known."""

    port: int = HTTP_PORT
    host: str = ""


DEFAULT_MIRROR = Mirror()


def open_ports(estate: Estate, guest: Guest) -> frozenset[int]:
    """The TCP ports at which a guest may connect to the Internet."""
    own = flows_by_host(estate).get(guest.name, ())
    outward = (flow for flow in own if flow.source == guest.name and flow.dest == "internet")
    return frozenset(port for flow in outward if flow.protocol == "tcp" for port in flow.ports)


def has_usual_ports(estate: Estate, guest: Guest) -> bool:
    """Report whether a guest may connect to the ports of all usual mirrors, so that it need not be asked."""
    return {HTTP_PORT, HTTPS_PORT} <= open_ports(estate, guest)


def read_mirrors(estate: Estate, sites: Iterable[str]) -> tuple[Mirror, ...]:
    """Read the mirrors outside the estate from URLs of apt; a site with another scheme is none."""
    mirrors: set[Mirror] = set()
    for site in sites:
        url = urlsplit(site)
        port = url.port or SCHEME_PORTS.get(url.scheme)
        if port and url.hostname and not _is_inside(estate, url.hostname):
            mirrors.add(Mirror(port, url.hostname))
    return tuple(sorted(mirrors))


def mirror_problems(estate: Estate, needs: Mapping[str, tuple[Iterable[Mirror], Iterable[str]]]) -> Iterator[str]:
    """Name the mirrors that guests cannot reach, one problem for each; `needs` are mirrors and packages by guest."""
    blocked: dict[Mirror, list[str]] = {}
    packages: dict[Mirror, dict[str, None]] = {}
    for name, (mirrors, names) in needs.items():
        for mirror in mirrors:
            if mirror.port not in open_ports(estate, estate.guest(name)):
                blocked.setdefault(mirror, []).append(name)
                packages.setdefault(mirror, {}).update(dict.fromkeys(names))
    for mirror, guests in sorted(blocked.items()):
        host = f" {mirror.host}" if mirror.host else ""
        yield (
            f"{', '.join(guests)}: {'each ' if len(guests) > 1 else ''}needs egress tcp/{mirror.port} to its package "
            f"mirror{host} to install {', '.join(packages[mirror])}: add {{protocol: tcp, ports: [{mirror.port}], "
            "purpose: packages} to `egress`"
        )


def _is_inside(estate: Estate, host: str) -> bool:
    """Report whether a mirror is in the estate or in a private network, which `egress` does not concern."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or domain_of(host, estate.zones) is not None
