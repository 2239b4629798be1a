"""Property strings of Proxmox VE (`name=eth0,bridge=vmbr0,…`): parse, format, compare by meaning, merge.

Source: pct.conf(5), qm.conf(5). Proxmox reorders and adds keys, so strings are never compared as text.
"""

from __future__ import annotations

from collections.abc import Mapping

PROPERTY_KEYS = ("net", "mp", "rootfs", "ipconfig", "startup")
LISTS = {"nameserver": " ", "tags": ";"}
NIC_MODELS = ("virtio", "e1000", "rtl8139", "vmxnet3")


def is_property_string(key: str) -> bool:
    """Tell whether an option of a guest holds a property string."""
    return key.rstrip("0123456789") in PROPERTY_KEYS


def parse(text: str) -> dict[str, str]:
    """Parse a property string; a first part without `=` gets the empty key, the model of a NIC the key `model`."""
    properties: dict[str, str] = {}
    for part in text.split(","):
        key, sep, value = part.partition("=")
        if sep and key in NIC_MODELS:
            properties |= {"model": key, "hwaddr": value.upper()}
        elif sep:
            properties[key] = value.upper() if key in ("hwaddr", "macaddr") else value
        elif key in NIC_MODELS:
            properties["model"] = key
        else:
            properties[""] = key
    return properties


def format_properties(properties: Mapping[str, str]) -> str:
    """Format a property string, which `parse` reads back."""
    rest = dict(properties)
    parts = []
    if "" in rest:
        parts.append(rest.pop(""))
    if model := rest.pop("model", None):
        address = rest.pop("hwaddr", None)
        parts.append(f"{model}={address}" if address else model)
    return ",".join((*parts, *(f"{key}={value}" for key, value in rest.items())))


def is_same(key: str, wanted: str, observed: str | None) -> bool:
    """Tell whether an observed option has the wanted meaning; keys that Proxmox added do not count."""
    if observed is None:
        return False
    if is_property_string(key):
        current = parse(observed)
        return all(current.get(name) == value for name, value in parse(wanted).items())
    if key == "tags":
        return set(wanted.split(";")) <= set(observed.split(";"))
    if key in LISTS:
        return wanted.split() == observed.split()
    return wanted == observed


def merge(key: str, wanted: str, observed: str | None) -> str:
    """The value to send: the wanted one, and what Proxmox or a person added to the observed one."""
    if observed is None:
        return wanted
    if is_property_string(key):
        return format_properties({**parse(observed), **parse(wanted)})
    if key == "tags":
        return ";".join(sorted({*wanted.split(";"), *filter(None, observed.split(";"))}))
    return wanted


def differences(wanted: Mapping[str, str], observed: Mapping[str, object]) -> dict[str, str]:
    """The options that differ in meaning, with the values to send."""
    current = {key: _text(value) for key, value in observed.items()}
    differing = {key: value for key, value in wanted.items() if not is_same(key, value, current.get(key))}
    return {key: merge(key, value, current.get(key)) for key, value in differing.items()}


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value).strip()
