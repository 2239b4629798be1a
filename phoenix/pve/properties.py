"""Property strings of Proxmox VE (`name=eth0,bridge=vmbr0,…`): parse, format, compare by meaning. Pure.

Source: pct.conf(5), qm.conf(5). Proxmox reorders properties and adds some, so strings are never compared as text.
"""

from __future__ import annotations

from collections.abc import Mapping

PROPERTY_KEYS = ("net", "mp", "rootfs", "ipconfig", "startup")
NIC_MODELS = (
    "virtio", "e1000", "e1000e", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "rtl8139", "vmxnet3",
    "i82551", "i82557b", "i82559er", "ne2k_isa", "ne2k_pci", "pcnet",
)  # fmt: skip
"""Source: qm.conf(5), `net[n]`."""
ADDRESSES = ("hwaddr", "macaddr")
ADDED: Mapping[str, tuple[str, ...]] = {"net": ("type", *ADDRESSES)}
"""Properties that Proxmox adds by itself if they are not declared, by the kind of option."""
OFF = ("", "0")
"""Values that mean the same as an absent property."""


def is_property_string(key: str) -> bool:
    """Tell whether an option of a guest holds a property string."""
    return kind_of(key) in PROPERTY_KEYS


def kind_of(key: str) -> str:
    """The kind of a numbered option: `net` for `net0`."""
    return key.rstrip("0123456789")


def parse(text: str) -> dict[str, str]:
    """Parse a property string; a first part without `=` gets the empty key, the model of a NIC the key `model`."""
    properties: dict[str, str] = {}
    for part in text.split(","):
        key, sep, value = part.partition("=")
        if sep and key in NIC_MODELS:
            properties |= {"model": key, "hwaddr": value.upper()}
        elif sep:
            properties[key] = value.upper() if key in ADDRESSES else value
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


def property_differences(key: str, wanted: str, observed: str) -> dict[str, tuple[str | None, str | None]]:
    """The properties that differ in meaning: observed and wanted value, None for an absent one.

    A property that is not declared differs, unless Proxmox adds it by itself or its value means that it is off.
    """
    target, current = parse(wanted), parse(observed)
    ignored = {name for name in ADDED.get(kind_of(key), ()) if name not in target}
    names = [*target, *(name for name in current if name not in target)]
    pairs = {name: (current.get(name), target.get(name)) for name in names if name not in ignored}
    return {name: pair for name, pair in pairs.items() if not _is_same(*pair)}


def _is_same(one: str | None, other: str | None) -> bool:
    return one == other or ((one or "") in OFF and (other or "") in OFF)


def without_address(value: str) -> str:
    """A NIC's properties without its MAC address."""
    return format_properties({name: text for name, text in parse(value).items() if name not in ADDRESSES})


def with_own_address(key: str, wanted: str, observed: str) -> str:
    """A NIC's wanted properties with its present MAC address, if none is declared: a new one would cut it off."""
    target, current = parse(wanted), parse(observed)
    kept = {name: current[name] for name in ADDRESSES if name in current}
    if kind_of(key) != "net" or any(name in target for name in ADDRESSES) or not kept:
        return wanted
    return format_properties(target | kept)
