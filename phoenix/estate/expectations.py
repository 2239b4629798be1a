"""What a key of the inventory expects, in the terms of the inventory: by key, by pattern, by type."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Network, IPv6Network, ip_network
from typing import Any

from phoenix.estate import fields as patterns

LABEL = "a DNS label: lower-case letters, digits and hyphens, at most 63"
ADDRESS = "an IPv4 address, such as 10.0.0.10"
NETWORK = "an IPv4 network, such as 10.0.0.0/24, or an address"
PATH = "an absolute path without spaces or a trailing slash, such as /srv/data"
BY_KEY = {
    "vmid": "a guest id, a number from 100 to 999999999",
    "mac": 'six pairs of hexadecimal digits in quotes, such as "52:54:00:AA:BB:CA"',
    "memory": "a whole number of MiB from 16, such as 1024",
    "swap": "a whole number of MiB from 0, such as 512",
    "disk": "a whole number of GiB from 1, such as 16",
    "cores": "a whole number from 1",
    "order": "a whole number from 0",
    "delay": "a whole number of seconds from 0",
    "owner": 'the ids inside the guest in quotes, such as "0:0"',
    "mode": 'an octal mode in quotes, such as "0750"',
    "zone": "a DNS name in lower case, such as internal.example.org",
    "node": "the node's name in Proxmox VE: letters, digits and hyphens, at most 63",
    "hypervisor": "the name of its hypervisor",
    "address": "an IPv4 address as hostname, such as 10.0.0.10",
    "image": "an image with a tag or digest, such as qdrant/qdrant:v1.12.4",
    "containers.ports": 'published ports in quotes, such as "9443" or "127.0.0.1:9002:9001"',
    "volumes": "volumes such as /persistent-storage/data:/data",
    "port": "a port number from 1 to 65535",
    "health": "a path that starts with /",
    "egress.ports": "port numbers from 1 to 65535",
    "purpose": "a few words of letters, digits, spaces and , . / ( ) -, at most 80 characters",
    "ostemplate": "a volume such as local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
    "disk_image": "a volume such as local:import/noble-server-cloudimg-amd64.qcow2",
    **dict.fromkeys(("root", "intermediate", "lifetime", "renew_before"), "a duration such as 15m, 24h, 7d or 10y"),
    **dict.fromkeys(("guest_storage", "vm_storage", "persistent_storage", "mountpoint", "target"), PATH),
    **dict.fromkeys(("gateway", "guest_resolver"), ADDRESS),
    "subnet": "a network such as 10.0.0.0/24, without host bits",
    "private_answers": 'a list of DNS names in lower case; ["*"] for all',
    "also": "a list of IPv4 addresses",
    "management": "a list of IPv4 networks or addresses, at least one",
    "upstream_dns": "a list of IPv4 addresses, at least one",
}
"""By key, or by the last two keys, which take precedence; `ports` of a container has the container's name between."""
OF_ITEMS = {
    "management": NETWORK,
    "upstream_dns": ADDRESS,
    "also": ADDRESS,
    "private_answers": 'a DNS name in lower case, or "*" for all',
}
"""What an item of a list or a value of a mapping expects, where it is not what the key itself expects."""
BY_PATTERN = {
    patterns.LABEL_PATTERN: LABEL,
    patterns.NAME_PATTERN: "a DNS label of the zone, or a full DNS name in lower case",
    patterns.DOMAIN_PATTERN: "a DNS name in lower case, such as portainer.example.org",
    patterns.PATH_PATTERN: PATH,
    patterns.LINE_PATTERN: "one line of text without control characters",
    patterns.WORD_PATTERN: "a word of letters, digits and @ . _ + -",
    patterns.VARIABLE_PATTERN: "the name of an environment variable",
    patterns.DATASET_PATTERN: "a ZFS dataset such as tank/data",
}
BY_TYPE = {
    "string_type": "text; put it in quotes",
    "string_too_short": "text that is not empty",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "too_short": "a list with at least one entry",
    "value_error": ADDRESS,
    "missing": "a value",
}
"""By pydantic's type of an error. Of the types that convert text, all but durations are addresses and networks."""


def expectation(detail: Any, words: list[str]) -> str:
    """Describe the expected value of an error at a path: by its key, its pattern, or the kind of the error."""
    if "[key]" not in detail["loc"]:
        for known in _known_keys(words, is_item=detail["loc"][-1:] != tuple(words[-1:])):
            return known
    pattern, kind = detail.get("ctx", {}).get("pattern"), detail["type"]
    if pattern in BY_PATTERN:
        return BY_PATTERN[pattern]
    if kind == "literal_error":
        return str(detail["ctx"]["expected"])
    if kind == "string_too_long":
        return f"at most {detail['ctx']['max_length']} characters"
    return BY_TYPE.get(kind, "another value")


def _known_keys(words: list[str], *, is_item: bool) -> Iterator[str]:
    """Yield what the keys of a path expect, the most specific first."""
    last = words[-1] if words else ""
    if is_item and last in OF_ITEMS:
        yield OF_ITEMS[last]
    in_container = [f"{words[-3]}.{last}"] if len(words) > 2 else []  # noqa: PLR2004  # a mapping's key is between them
    for key in (*in_container, ".".join(words[-2:]), last):
        if key in BY_KEY:
            yield BY_KEY[key]


def hint(value: object, expected: str) -> str:
    """What is wrong with a value that is almost an address or a network; an empty string for any other."""
    if not isinstance(value, str) or ("IPv4" not in expected and "network" not in expected):
        return ""
    try:
        network = ip_network(value, strict=False)
    except (AddressValueError, ValueError):
        return ""
    if isinstance(network, IPv6Network):
        return "IPv6 is not supported"
    return _host_bits(value, network, expected)


def _host_bits(value: str, network: IPv4Network, expected: str) -> str:
    if "/" not in value:
        return ""
    return f"its network is {network}" if "network" in expected else "omit the prefix length"
