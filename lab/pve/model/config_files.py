"""Writes each guest's configuration file below /etc/pve, as the node's root can read it; edits have no effect.

Source: Proxmox VE, pct.conf(5) and qm.conf(5).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from phoenix.lab.pve.model.cloud_init import CloudInit

_FOLDERS = {"lxc": "lxc", "vm": "qemu-server"}
_PENDING = {"lxc": "pve:pending", "vm": "PENDING"}
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def store(root: Path, node: str, texts: Mapping[tuple[str, int], str]) -> None:
    """Write the files of all guests, by kind and vmid, and delete those of others."""
    wanted = {root / f"nodes/{node}/{_FOLDERS[kind]}/{vmid}.conf": text for (kind, vmid), text in texts.items()}
    for folder in _FOLDERS.values():
        directory = root / f"nodes/{node}/{folder}"
        directory.mkdir(parents=True, exist_ok=True)
        for path in set(directory.glob("*.conf")) - set(wanted):
            path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            draft = path.with_suffix(".tmp")
            draft.write_text(text)
            draft.replace(path)


def dump(kind: str, config: Mapping[str, Any], pending: Mapping[str, Any], cloud_init: CloudInit) -> str:
    """Return the text of a guest's file."""
    sections = [("", list(_lines(config)))]
    if pending:
        sections.append((_PENDING[kind], list(_pending_lines(pending))))
    if kind == "vm" and cloud_init.on_drive:
        sections.append(("special:cloudinit", list(_former_lines(cloud_init.on_drive))))
    return "\n".join(
        (f"[{name}]\n" if name else "") + "".join(f"{line}\n" for line in lines) for name, lines in sections
    )


def _lines(config: Mapping[str, Any]) -> Iterator[str]:
    for line in str(config.get("description") or "").splitlines():
        yield f"#{quote(line, safe=_PLAIN)}"
    yield from (f"{key}: {config[key]}" for key in sorted(config) if key != "description")


def _pending_lines(pending: Mapping[str, Any]) -> Iterator[str]:
    deleted = sorted(key for key, value in pending.items() if value is None)
    yield from _lines({key: value for key, value in pending.items() if value is not None})
    if deleted:
        yield f"delete: {','.join(deleted)}"


def _former_lines(former: Mapping[str, Any]) -> Iterator[str]:
    added = sorted(key for key, value in former.items() if value is None)
    yield from _lines({key: value for key, value in former.items() if value is not None})
    if added:
        yield f"added: {','.join(added)}"
