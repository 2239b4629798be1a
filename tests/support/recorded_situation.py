"""The state of the real node at the begin of a recorded session, from what the session read before it wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.recordings import NODE, RECORDED, Exchange, Session, run

STORAGES = {"local": "backup,vztmpl,iso,import", "quickOS-lxc-disks": "rootdir", "quickOS-vm-disks": "images"}
"""Content types of the storages, as in etc-pve/storage.cfg."""
_TEMPLATE = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
_TEMPLATE_VM = 9000
_PENDING: Mapping[str, Mapping[str, tuple[str | int, str | int]]] = {
    "drift1": {"nameserver": ("10.0.0.53", "1.1.1.1"), "searchdomain": ("internal.thinkheads.ai", "x.example")},
    "vmdrift": {"memory": ("1024", "2048"), "cores": (2, 1)},
}
"""Present and pending values of drifted options, by run.

A read of the configuration shows only the pending ones; later answers tell that setting the
present ones left nothing pending.
"""
_GUEST = re.compile(r"/nodes/phoenix/(lxc|qemu)/(\d+)")
_MEMBERS = re.compile(r"/(ipset|groups)/([\w-]+)$")
_LATE: Mapping[str, Mapping[int, str]] = {"stale2": {914: "running"}}
"""The status of guests, by run and vmid, of which the list was late."""


@dataclass
class RecordedGuest:
    """A guest as it was before the first write to it."""

    vmid: int
    kind: str
    status: str
    config: dict[str, Any]
    pending: dict[str, Any] = field(default_factory=dict)
    is_read: bool = False


@dataclass
class Situation:
    """The state of the node before a run: guests by vmid, and firewall levels by the path of their base."""

    guests: dict[int, RecordedGuest]
    dns: dict[str, str]
    storages: dict[str, str]
    """Content types by the storage's id."""
    files: frozenset[str]
    """Volumes of the storage `local`."""
    reporting: bool
    """Whether pvestatd reports."""
    levels: dict[str, dict[str, Any]] = field(default_factory=dict)


def conf(text: str) -> dict[str, Any]:
    """Parse a guest's configuration file as the API answers it."""
    pairs = (line.partition(": ")[::2] for line in text.splitlines() if ": " in line)
    numbers = ("cores", "memory", "onboot", "swap", "template", "unprivileged")
    return {key: int(value) if key in numbers else value for key, value in pairs}


def final_guests() -> dict[int, dict[str, Any]]:
    """Return the configurations of the containers after the last run."""
    folder = RECORDED / "etc-pve/nodes/phoenix/lxc"
    return {int(path.stem): conf(path.read_text()) for path in sorted(folder.glob("*.conf"))}


def situation(session: Session) -> Situation:
    """Return the state of the node before the first request."""
    now = Situation(
        guests={entry["vmid"]: _listed_guest(entry, session.run) for entry in session.first("/cluster/resources")},
        dns=session.first(f"{NODE}/dns") or {},
        storages=STORAGES | {entry["storage"]: entry["content"] for entry in session.first(f"{NODE}/storage") or []},
        files=_files(session),
        reporting="cpu" in (session.first("/nodes") or [{"cpu": 0}])[0],
    )
    written: set[str] = set()
    for exchange in session.exchanges:
        subject = subject_of(exchange.place)
        if exchange.method != "GET":
            written.add(subject)
        elif subject not in written:
            _read(exchange, session.run, now)
    return now


def _files(session: Session) -> frozenset[str]:
    content = session.first(f"{NODE}/storage/local/content") or [{"volid": _TEMPLATE}]
    return frozenset(entry["volid"].partition(":")[2] for entry in content)


def subject_of(place: str) -> str:
    """Return what a request concerns: a guest, the firewall of one level, or another path."""
    base, firewall, _ = place.partition("/firewall")
    guest = _GUEST.match(place)
    return base + firewall if firewall else guest[0] if guest else place


def _listed_guest(entry: Mapping[str, Any], name_of_run: str) -> RecordedGuest:
    """Return a guest of the list with the configuration that it ended with, or what the list says of it."""
    name = {"lxc": "hostname", "qemu": "name"}[entry["type"]]
    config = {name: entry["name"], "memory": entry["maxmem"] >> 20, "cores": entry["maxcpu"]}
    config |= final_guests().get(entry["vmid"], {})
    if entry["vmid"] == _TEMPLATE_VM:
        config |= _template_vm()
    if entry["template"]:
        config["template"] = 1
    if entry.get("tags"):
        config["tags"] = entry["tags"]
    status = _LATE.get(name_of_run, {}).get(entry["vmid"], entry["status"])
    return RecordedGuest(entry["vmid"], entry["type"], status, config)


def _template_vm() -> dict[str, Any]:
    """Return the configuration of the VM template, which only the run that made it reads, before it is a template."""
    made = next(e.data for e in run("vmt") if e.place == f"{NODE}/qemu/{_TEMPLATE_VM}/config")
    disk = f"quickOS-vm-disks:{_TEMPLATE_VM}/base-{_TEMPLATE_VM}-disk-0.qcow2,size=3G"
    return {key: value for key, value in made.items() if key != "digest"} | {"scsi0": disk}


def _read(exchange: Exchange, name_of_run: str, now: Situation) -> None:
    if "/firewall/" in exchange.place:
        base, _, rest = exchange.place.partition("/firewall/")
        _read_level(now.levels.setdefault(base, _empty_level()), rest, exchange.data)
        return
    match = _GUEST.match(exchange.place)
    guest = now.guests.get(int(match[2])) if match else None
    if guest is None:
        return
    if exchange.place.endswith("/config") and not guest.is_read:
        guest.config = {key: value for key, value in exchange.data.items() if key != "digest"}
        guest.is_read = True
        for key, (present, pending) in _PENDING.get(name_of_run, {}).items():
            if guest.config.get(key) == pending:
                guest.config[key], guest.pending[key] = present, pending
    elif exchange.place.endswith("/pending"):
        waiting = [entry for entry in exchange.data if "pending" in entry or "delete" in entry]
        guest.config |= {entry["key"]: entry["value"] for entry in waiting if "value" in entry}
        guest.pending |= {entry["key"]: entry.get("pending") for entry in waiting}


def _empty_level() -> dict[str, Any]:
    return {"options": {}, "rules": [], "aliases": {}, "ipset": {}, "groups": {}, "comments": {}}


def _read_level(level: dict[str, Any], rest: str, data: Any) -> None:
    plain = [_without_digest(entry) for entry in data] if isinstance(data, list) else _without_digest(data)
    if member := _MEMBERS.search(f"/{rest}"):
        level[member[1]].setdefault(unquote(member[2]), plain)
    elif rest in ("options", "rules"):
        level[rest] = level[rest] or plain
    elif rest == "aliases":
        level[rest] = {entry["name"]: entry for entry in plain}
    elif rest in ("ipset", "groups"):
        key = {"ipset": "name", "groups": "group"}[rest]
        for entry in plain:
            level["comments"][entry[key]] = entry.get("comment", "")


def _without_digest(entry: Any) -> Any:
    return {key: value for key, value in entry.items() if key not in ("digest", "pos")}
