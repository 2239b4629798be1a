"""A path, unit name or port that two parts must agree on is written once, in phoenix/conventions.py."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

import pytest

from phoenix import conventions
from tests.support.places import ROOT
from tests.unit.conventions.source import (
    PRODUCT,
    Exemptions,
    Finding,
    Rule,
    broken_by,
    files,
    findings,
    literals,
    stale,
    unexplained,
)

OWN = "phoenix/conventions.py"
SHORTEST = 7
"""Shorter values, such as a suffix, occur in other words."""
STRINGS: Exemptions = {}
PORTS: Exemptions = {
    ("phoenix/estate/fields.py", "80"): "the longest purpose, in characters",
    ("phoenix/report/picture/svg.py", "22"): "a distance in the picture, in pixels",
    ("phoenix/pve/firewall/model/builtin_rules.py", "8006"): "Proxmox's own rules, restated on purpose (ADR 16)",
    ("phoenix/pve/firewall/model/builtin_rules.py", "3128"): "Proxmox's own rules, restated on purpose (ADR 16)",
    ("phoenix/pve/firewall/proof/permissions.py", "3128"): "the firewall's own restatement of the flows (ADR 16)",
    ("phoenix/pve/firewall/model/macros.py", "3128"): "Proxmox's macros, as Proxmox defines them",
    ("phoenix/pve/firewall/proof/permissions.py", "8006"): "the firewall's own restatement of the flows (ADR 16)",
    ("phoenix/pve/firewall/model/macros.py", "8006"): "Proxmox's macros, as Proxmox defines them",
    ("phoenix/pve/firewall/model/macros.py", "8080"): "Proxmox's macros, as Proxmox defines them",
    ("phoenix/pve/firewall/model/port_names.py", "2049"): "the names of /etc/services, as Debian defines them",
    ("phoenix/pve/firewall/model/port_names.py", "8080"): "the names of /etc/services, as Debian defines them",
}
PROGRAMS: Exemptions = {
    ("templates/dns/unit.service.j2", "phoenix-dns-"): "a pid file that no other part reads",
    ("templates/docker/container.service.j2", "docker.service"): "orders the unit after the engine",
    ("templates/step_ca/init.sh", "config/ca.json"): "step itself writes its settings there",
    ("templates/step_ca/restore.sh", "config/ca.json"): "a path below the state in a backup",
    ("templates/step_ca/step-ca.service.j2", "config/ca.json"): "a path below the state",
    ("tasks/trust/docker_restart.sh", "docker.service"): "a program that takes no values",
    ("tasks/trust/on_node.pl", "/usr/local/share/ca-certificates"): "Debian's path, as Debian's own program has it",
    (
        "tasks/trust/system_store.pl",
        "/usr/local/share/ca-certificates",
    ): "Debian's path, as Debian's own program has it",
    ("tasks/trust/other_stores.sh", "/var/lib/phoenix"): "the record of Java's stores, which no other part reads",
}
"""Restatements in templates and programs, each with the reason."""


def values() -> tuple[str, ...]:
    """The strings that are written once: constants, and the fixed parts of names that functions make."""
    constants = [value for name, value in vars(conventions).items() if name.isupper() and isinstance(value, str)]
    functions = [function for _, function in inspect.getmembers(conventions, inspect.isfunction)]
    parts = [part for function in functions for part in function("\0").split("\0") if not part.startswith(".")]
    return tuple(sorted({value for value in (*constants, *parts) if len(value) >= SHORTEST}, key=len, reverse=True))


def ports() -> frozenset[int]:
    """The ports that are written once."""
    return frozenset(value for name, value in vars(conventions).items() if name.endswith("_PORT"))


def as_part(value: str) -> str:
    """A pattern that finds a value as a part of a text, and not in a longer name; a prefix may be continued."""
    return rf"(?<![\w-]){re.escape(value)}" + ("" if value.endswith("-") else r"(?!\.?[\w-])")


RESTATED = re.compile("|".join(map(as_part, values())))
HIGH_PORTS = re.compile("|".join(rf"(?<![\d.]){port}(?!\d)" for port in sorted(ports()) if port >= 1024))
"""Ports that are no usual number; a text may hold any of the others."""


def restated_strings(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """String literals that hold one of the strings."""
    for node in literals(tree):
        yield from ((node, match[0]) for match in RESTATED.finditer(str(node.value)))


def restated_ports(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Integer literals that are one of the ports, and strings that hold a high one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in ports():
            yield node, str(node.value)
    for node in literals(tree):
        yield from ((node, match[0]) for match in HIGH_PORTS.finditer(str(node.value)))


@pytest.mark.parametrize(("rule", "exempt"), [(restated_strings, STRINGS), (restated_ports, PORTS)])
def test_python(rule: Rule, exempt: Exemptions) -> None:
    """Python code outside phoenix/conventions.py names no such string or port; import its constant."""
    found = [one for one in findings(rule, *PRODUCT) if one.path != OWN]
    assert unexplained(found, exempt) == []
    assert stale(found, exempt) == []


def restated_in_programs() -> Iterator[Finding]:
    """Strings and high ports in templates and programs."""
    for path in files("templates", "phoenix", "tasks"):
        if path.suffix not in (".py", ".pyc"):
            name = str(path.relative_to(ROOT))
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                for match in (*RESTATED.finditer(line), *HIGH_PORTS.finditer(line)):
                    yield Finding(name, match[0], number)


def test_programs() -> None:
    """Templates and programs get such strings and ports as values; each restatement has a reason."""
    found = list(restated_in_programs())
    assert unexplained(found, PROGRAMS) == []
    assert stale(found, PROGRAMS) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('x = "/usr/local/lib/phoenix/renew"', ["/usr/local/lib/phoenix"]),
        ('x = f"/usr/local/lib/phoenix/renew-{stem}"', ["/usr/local/lib/phoenix/renew-"]),
        ('call(f"cat /var/lib/phoenix/begun/{unit}")', ["/var/lib/phoenix/begun"]),
        ('x = {"phoenix-renew-a.timer": 1}', ["phoenix-renew-"]),
        ('x = f"phoenix-dns-{view}.service"', ["phoenix-dns-"]),
        ('x = "systemctl reload nginx.service && true"', ["nginx.service"]),
        ('x = "/etc/phoenix."', ["/etc/phoenix"]),
        ('x = "/var/lib/phoenix-lab"', []),
        ('x = "step_ca/step-ca.service.j2"', []),
        ('def f():\n    """Reads /etc/phoenix."""', []),
        ("x = PROGRAMS", []),
    ],
)
def test_strings_are_found(code: str, found: list[str]) -> None:
    """The rule finds whole names and prefixes, in f-strings too, and neither longer names nor docstrings."""
    assert broken_by(restated_strings, code) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("connect(host, 8006)", ["8006"]),
        ("PORTS = (80, 443)", ["80", "443"]),
        ("connect(host, port=9000)", ["9000"]),
        ('url = f"https://{host}:8443/"', ["8443"]),
        ("x = 8007", []),
        ('x = "80 columns"', []),
        ('x = "18006"', []),
        ("x = True", []),
    ],
)
def test_ports_are_found(code: str, found: list[str]) -> None:
    """The rule finds ports as numbers, and high ports in strings."""
    assert broken_by(restated_ports, code) == found


def test_there_are_values() -> None:
    """The values are those of the module: paths, units, prefixes, ports."""
    assert {"/usr/local/lib/phoenix", "phoenix-renew-", "phoenix-dns-", "nginx.service"} <= set(values())
    assert {22, 53, 80, 443, 2049, 8006, 8080, 8443, 9000} <= ports()
