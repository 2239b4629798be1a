"""Property strings of Proxmox VE (`name=eth0,bridge=vmbr0,…`): read, compared by meaning, merged.

Source: pct.conf(5), qm.conf(5). Proxmox reorders keys and adds some of its own, so strings are never compared as text.
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
    """Read a property string; a first part without `=` is kept under the empty key, a NIC's model under `model`."""
    found: dict[str, str] = {}
    for part in text.split(","):
        key, sep, value = part.partition("=")
        if sep and key in NIC_MODELS:
            found |= {"model": key, "hwaddr": value.upper()}
        elif sep:
            found[key] = value.upper() if key in ("hwaddr", "macaddr") else value
        elif key in NIC_MODELS:
            found["model"] = key
        else:
            found[""] = key
    return found


def spell(properties: Mapping[str, str]) -> str:
    """Write a property string."""
    rest = dict(properties)
    parts = []
    if "" in rest:
        parts.append(rest.pop(""))
    if model := rest.pop("model", None):
        address = rest.pop("hwaddr", None)
        parts.append(f"{model}={address}" if address else model)
    return ",".join((*parts, *(f"{key}={value}" for key, value in rest.items())))


def same(key: str, wanted: str, seen: str | None) -> bool:
    """Tell whether an option means what is wanted; whatever Proxmox added to it does not count."""
    if seen is None:
        return False
    if is_property_string(key):
        have = parse(seen)
        return all(have.get(name) == value for name, value in parse(wanted).items())
    if key == "tags":
        return set(wanted.split(";")) <= set(seen.split(";"))
    if key in LISTS:
        return wanted.split() == seen.split()
    return wanted == seen


def merged(key: str, wanted: str, seen: str | None) -> str:
    """Give what to send: the wanted value, with what Proxmox or a person added to it kept."""
    if seen is None:
        return wanted
    if is_property_string(key):
        return spell({**parse(seen), **parse(wanted)})
    if key == "tags":
        return ";".join(sorted({*wanted.split(";"), *filter(None, seen.split(";"))}))
    return wanted


def differences(wanted: Mapping[str, str], seen: Mapping[str, object]) -> dict[str, str]:
    """Options that differ in meaning, with the values to send."""
    have = {key: _text(value) for key, value in seen.items()}
    return {
        key: merged(key, value, have.get(key)) for key, value in wanted.items() if not same(key, value, have.get(key))
    }


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value).strip()
