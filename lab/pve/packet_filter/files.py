"""Reads and writes the firewall's configuration files below /etc/pve. Pure except for ``FirewallFiles``.

Source: Proxmox VE Administration Guide, "Proxmox VE Firewall", "Configuration Files".
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phoenix.lab.pve.packet_filter.addresses import FirewallConf

ROOT = Path("/etc/pve")
_SECTION = re.compile(r"\[\s*(\w+)(?:\s+([\w-]+))?\s*\]\s*(?:#\s*(.*))?")
_RULE = re.compile(r"(\|?)(IN|OUT|FORWARD|GROUP)\s+(?:(\w+)\((\w+)\)|([\w-]+))\s*(.*)", re.IGNORECASE)
_FLAGS = {
    "i": "iface",
    "source": "source",
    "dest": "dest",
    "p": "proto",
    "dport": "dport",
    "sport": "sport",
    "log": "log",
    "icmp-type": "icmp-type",
}
_NUMBERS = ("enable", "dhcp", "ndp", "radv", "macfilter", "ipfilter", "ebtables", "nftables", "nosmurfs", "tcpflags")


class FirewallFiles:
    """The firewall files of one node; it keeps what it wrote, to detect edits by others."""

    def __init__(self, node: str, root: Path = ROOT) -> None:
        self.root = root
        self._node = node
        self._known: dict[Path, str] = {}

    def store(self, firewall: Mapping[str, Any]) -> None:
        """Write changed files atomically; delete files without content and files of guests that are gone."""
        (self.root / "firewall").mkdir(parents=True, exist_ok=True)
        (self.root / f"nodes/{self._node}").mkdir(parents=True, exist_ok=True)
        wanted = {self._path(scope): dump(conf) for scope, conf in _scopes(firewall)}
        for path, text in wanted.items():
            if text == self._known.get(path):
                continue
            if text:
                draft = path.with_suffix(".tmp")
                draft.write_text(text)
                draft.replace(path)
            else:
                path.unlink(missing_ok=True)
            self._known[path] = text
        for path in set(self._known) - set(wanted):
            path.unlink(missing_ok=True)
            del self._known[path]

    def load(self, firewall: dict[str, Any]) -> bool:
        """Update the configuration from files that others have edited; return whether there were any."""
        present = {path: path.read_text() for path in self._existing()}
        differing = [path for path in {*present, *self._known} if present.get(path, "") != self._known.get(path, "")]
        for path in differing:
            conf = parse(present.get(path, ""))
            if path.stem == "cluster":
                firewall["cluster"] = conf
            elif path.stem == "host":
                firewall["nodes"][self._node] = conf
            else:
                firewall["guests"][int(path.stem)] = conf
            self._known[path] = present.get(path, "")
        return bool(differing)

    def _existing(self) -> Iterator[Path]:
        host = self.root / f"nodes/{self._node}/host.fw"
        yield from ([host] if host.exists() else [])
        for path in (self.root / "firewall").glob("*.fw"):
            if path.stem == "cluster" or path.stem.isdigit():
                yield path

    def _path(self, scope: str) -> Path:
        if scope.startswith("node "):
            return self.root / f"nodes/{scope[5:]}/host.fw"
        return self.root / f"firewall/{scope}.fw"


def _scopes(firewall: Mapping[str, Any]) -> Iterator[tuple[str, FirewallConf]]:
    yield "cluster", firewall["cluster"]
    yield from ((f"node {name}", conf) for name, conf in firewall["nodes"].items())
    yield from ((str(vmid), conf) for vmid, conf in firewall["guests"].items())


def dump(conf: FirewallConf) -> str:
    """Return the text of a configuration's file; empty for an empty configuration."""
    parts = []
    if conf["options"]:
        parts.append(("OPTIONS", "", [f"{key}: {value}" for key, value in sorted(conf["options"].items())]))
    if conf["aliases"]:
        lines = [f"{a['name']} {a['cidr']}{_comment(a)}" for _, a in sorted(conf["aliases"].items())]
        parts.append(("ALIASES", "", lines))
    for name, entries in sorted(conf["ipset"].items()):
        lines = [f"{'!' if entry.get('nomatch') else ''}{entry['cidr']}{_comment(entry)}" for entry in entries]
        parts.append((f"IPSET {name}", conf["ipset_comments"].get(name, ""), lines))
    if conf["rules"]:
        parts.append(("RULES", "", [_rule(rule) for rule in conf["rules"]]))
    for name, rules in sorted(conf["groups"].items()):
        parts.append((f"group {name}", conf["group_comments"].get(name, ""), [_rule(rule) for rule in rules]))
    return "\n".join(
        f"[{title}]{f' # {comment}' if comment else ''}\n\n" + "".join(f"{line}\n" for line in lines)
        for title, comment, lines in parts
    )


def _comment(entry: Mapping[str, Any]) -> str:
    return f" # {entry['comment']}" if entry.get("comment") else ""


def _rule(rule: Mapping[str, Any]) -> str:
    what = f"{rule['macro']}({rule['action']})" if rule.get("macro") else rule["action"]
    flags = "".join(f" -{flag} {rule[key]}" for flag, key in _FLAGS.items() if rule.get(key))
    return f"{'' if rule.get('enable') else '|'}{rule['type'].upper()} {what}{flags}{_comment(rule)}"


def parse(text: str) -> FirewallConf:
    """Return the configuration of a file's text; skip invalid lines, as a node does."""
    keys = ("options", "aliases", "ipset", "ipset_comments", "groups", "group_comments")
    conf: dict[str, Any] = {**{key: {} for key in keys}, "rules": []}
    section, name = "", ""
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if header := _SECTION.fullmatch(line):
            section, name = header[1].lower(), header[2] or ""
            if section in ("ipset", "group"):
                conf[{"ipset": "ipset", "group": "groups"}[section]][name] = []
                if header[3]:
                    conf[f"{section}_comments"][name] = header[3].strip()
        else:
            with contextlib.suppress(ValueError):
                _add_line(conf, section, name, line)
    return conf


def _add_line(conf: FirewallConf, section: str, name: str, line: str) -> None:
    words, _, text = line.partition("#")
    comment = {"comment": text.strip()} if text.strip() else {}
    words = words.strip()
    if section == "options":
        key, _, value = words.partition(":")
        conf["options"][key.strip()] = int(value) if key.strip() in _NUMBERS else value.strip()
    elif section == "aliases":
        alias, cidr = words.split()[:2]
        conf["aliases"][alias.lower()] = {"name": alias, "cidr": cidr, "ipversion": 6 if ":" in cidr else 4, **comment}
    elif section == "ipset":
        entry = {"cidr": words.lstrip("! "), **({"nomatch": 1} if words.startswith("!") else {}), **comment}
        conf["ipset"][name].append(entry)
    elif section in ("rules", "group") and (rule := _read_rule(words)):
        (conf["rules"] if section == "rules" else conf["groups"][name]).append(rule | comment)


def _read_rule(words: str) -> dict[str, Any] | None:
    match = _RULE.fullmatch(words)
    if not match:
        return None
    off, kind, macro, action, plain, rest = match.groups()
    rule: dict[str, Any] = {"type": kind.lower(), "action": action or plain, "enable": 0 if off else 1}
    if macro:
        rule["macro"] = macro
    flags = rest.split()
    for flag, value in zip(flags[::2], flags[1::2], strict=False):
        key = _FLAGS.get(flag.lstrip("-"))
        if not key:
            return None
        rule[key] = value
    return rule
