"""Proxmox VE's rule macros: for each name the protocols and ports, or the ICMP type, that it opens.

Source: Administration Guide, appendix "Firewall Macro Definitions". The lab reads this table, too (ADR 16).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Opening:
    """One protocol of a macro, with its destination ports or ICMP type and its source ports if it restricts them."""

    proto: str
    dport: str = ""
    sport: str = ""


def _tcp(ports: str) -> tuple[Opening, ...]:
    return (Opening("tcp", ports),)


def _udp(ports: str) -> tuple[Opening, ...]:
    return (Opening("udp", ports),)


def _both(ports: str) -> tuple[Opening, ...]:
    return (*_udp(ports), *_tcp(ports))


def _icmpv6(*types: str) -> tuple[Opening, ...]:
    return tuple(Opening("icmpv6", kind) for kind in types)


IKE = Opening("udp", "500", sport="500")
"""Key exchange, which the macros of IPsec accept from its own port only."""

MACROS: dict[str, tuple[Opening, ...]] = {
    "amanda": _both("10080"),
    "auth": _tcp("113"),
    "bgp": _tcp("179"),
    "bittorrent": (*_tcp("6881:6889"), *_udp("6881")),
    "bittorrent32": (*_tcp("6881:6999"), *_udp("6881")),
    "ceph": (*_tcp("6789"), *_tcp("3300"), *_tcp("6800:7300")),
    "citrix": (*_tcp("1494"), *_udp("1604"), *_tcp("2598")),
    "cvs": _tcp("2401"),
    "daap": _both("3689"),
    "dcc": _tcp("6277"),
    "dhcpfwd": (Opening("udp", "67:68", sport="67:68"),),
    "dhcpv6": (Opening("udp", "546:547", sport="546:547"),),
    "distcc": _tcp("3632"),
    "dns": _both("53"),
    "finger": _tcp("79"),
    "ftp": _tcp("21"),
    "git": _tcp("9418"),
    "gnunet": (*_both("2086"), *_both("1080")),
    "gre": (Opening("47"),),
    "hkp": _tcp("11371"),
    "http": _tcp("80"),
    "https": _tcp("443"),
    "icpv2": _udp("3130"),
    "icq": _tcp("5190"),
    "imap": _tcp("143"),
    "imaps": _tcp("993"),
    "ipip": (Opening("94"),),
    "ipsec": (IKE, Opening("50")),
    "ipsecah": (IKE, Opening("51")),
    "ipsecnat": (*_udp("500"), *_udp("4500"), Opening("50")),
    "irc": _tcp("6667"),
    "jetdirect": _tcp("9100"),
    "l2tp": _udp("1701"),
    "ldap": _tcp("389"),
    "ldaps": _tcp("636"),
    "mail": (*_tcp("25"), *_tcp("465"), *_tcp("587")),
    "mdns": _udp("5353"),
    "msnp": _tcp("1863"),
    "mssql": _tcp("1433"),
    "munin": _tcp("4949"),
    "mysql": _tcp("3306"),
    "neighbordiscovery": _icmpv6(
        "router-solicitation", "router-advertisement", "neighbour-solicitation", "neighbour-advertisement"
    ),
    "nntp": _tcp("119"),
    "nntps": _tcp("563"),
    "ntp": _udp("123"),
    "openvpn": _udp("1194"),
    "ospf": (Opening("89"),),
    "pca": (*_udp("5632"), *_tcp("5631")),
    "ping": (Opening("icmp", "echo-request"), Opening("icmpv6", "echo-request")),
    "pmg": _tcp("8006"),
    "pop3": _tcp("110"),
    "pop3s": _tcp("995"),
    "postgresql": _tcp("5432"),
    "pptp": (Opening("47"), *_tcp("1723")),
    "printer": _tcp("515"),
    "razor": _tcp("2703"),
    "rdate": _tcp("37"),
    "rdp": _tcp("3389"),
    "rip": _udp("520"),
    "rndc": _tcp("953"),
    "rsync": _tcp("873"),
    "sane": _tcp("6566"),
    "sixxs": (*_tcp("3874"), *_udp("3740"), Opening("41"), *_udp("5072,8374")),
    "smb": (
        *_udp("135,445"),
        *_udp("137:139"),
        Opening("udp", "1024:65535", sport="137"),
        *_tcp("135,139,445"),
    ),
    "smbswat": _tcp("901"),
    "smtp": _tcp("25"),
    "smtps": _tcp("465"),
    "snmp": (*_udp("161:162"), *_tcp("161")),
    "spamd": _tcp("783"),
    "spiceproxy": _tcp("3128"),
    "squid": _tcp("3128"),
    "ssh": _tcp("22"),
    "submission": _tcp("587"),
    "svn": _tcp("3690"),
    "syslog": _both("514"),
    "telnet": _tcp("23"),
    "telnets": _tcp("992"),
    "tftp": _udp("69"),
    "time": _tcp("37"),
    "trcrt": (*_udp("33434:33524"), Opening("icmp", "echo-request"), Opening("icmpv6", "echo-request")),
    "vnc": _tcp("5900:5999"),
    "vncl": _tcp("5500"),
    "web": (*_tcp("80"), *_tcp("443")),
    "webcache": _tcp("8080"),
    "webmin": _tcp("10000"),
    "whois": _tcp("43"),
}
"""By lower-case name."""
