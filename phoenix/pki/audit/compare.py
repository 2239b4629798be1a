"""The scans of all hosts against the inventory → one finding for each certificate and private key.

Red findings need an operator, yellow ones should be known; the others are as expected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from phoenix.estate import Estate
from phoenix.pki.audit.certificate_flags import AuditContext
from phoenix.pki.audit.classify import Classifier
from phoenix.pki.audit.expected import AuditPaths, Expected
from phoenix.pki.audit.finding import CommonRole, Finding, FindingKind, Flag, red, yellow
from phoenix.pki.audit.scan import FileLocation, FoundStore, Scan
from phoenix.pki.bundle import SeenAuthority

SECRET_STORES = (".p12", ".pfx", ".jks", ".keystore", ".bcfks", "key3.db", "key4.db")


@dataclass(frozen=True)
class AuditInput:
    """What a run observed: scans by host, the reasons why other hosts have none, and what the CA publishes."""

    scans: Mapping[str, Scan]
    unasked: Mapping[str, str]
    authority: SeenAuthority | None


def audit(estate: Estate, paths: AuditPaths, observed: AuditInput, now: datetime) -> tuple[Finding, ...]:
    """Every finding: red ones first, then yellow ones, then by host and path."""
    expected = Expected(estate, paths)
    findings = [Finding(host, "-", "host", flags=(red("unasked", why),)) for host, why in observed.unasked.items()]
    for scan in observed.scans.values():
        findings += _of_host(AuditContext(expected, scan, observed.authority, now))
    order = {host.name: number for number, host in enumerate(estate.hosts())}
    return tuple(
        sorted(
            _with_duplicates(findings),
            key=lambda finding: (finding.rank, order.get(finding.host, -1), finding.path, finding.kind),
        )
    )


def may_pass(paths: AuditPaths, findings: Iterable[Finding]) -> bool:
    """Tell whether findings may be gone soon: a port that has not read its file, or the mesh's missing certificates."""
    return any(
        flag.kind in ("served", "unasked") or (flag.kind == "missing" and finding.path.startswith(paths.mesh))
        for finding in findings
        for flag in finding.flags
        if flag.severity == "red"
    )


def _of_host(context: AuditContext) -> Iterator[Finding]:
    scan, classifier = context.scan, Classifier(context)
    if not scan.complete:
        yield Finding(scan.host, "-", "host", flags=(red("unasked", "its scan did not finish in time"),))
    for certificate in scan.certificates:
        yield from classifier.certificates(certificate)
    for key in scan.keys:
        yield classifier.key(key)
    for store in scan.stores:
        yield _store(store)
    for location in scan.unreadable:
        yield _file(location, "file", red("unreadable", "it cannot be read, or is damaged"))
    yield from classifier.ca_served()
    yield from _missing(context) if scan.complete else ()


def _store(store: FoundStore) -> Finding:
    location = store.location
    if store.certificates:
        text = f"a store of {store.certificates} certificates, not listed one by one"
        return _file(location, "store", yellow("store", text))
    flags = [yellow("store", "a store that was not opened")]
    if location.path.endswith(SECRET_STORES) and location.world_readable:
        flags.append(red("world-readable", f"every user can read it (mode {location.mode})"))
    return _file(location, "store", *flags)


def _missing(context: AuditContext) -> Iterator[Finding]:
    """What the inventory derives for a host and the scan did not find."""
    scan = context.scan
    unreadable = {location.path for location in scan.unreadable}
    certificates = unreadable | {str(found.location) for found in scan.certificates}
    keys = unreadable | {str(found.location) for found in scan.keys}
    for path, kind, role in context.expected.files_of(scan.host):
        if path not in (keys if kind == "key" else certificates):
            flags = (red("missing", "the inventory derives it, but it is absent"),)
            yield Finding(scan.host, path, kind, role, flags=flags)


def _with_duplicates(findings: list[Finding]) -> list[Finding]:
    """Flag the keys whose public half is in several places; copies that a service keeps are intended."""
    same_key = defaultdict(list)
    for finding in findings:
        if finding.kind == "key" and finding.public and finding.role is not CommonRole.COPY:
            same_key[finding.public].append(finding)
    flagged = {}
    for same in same_key.values():
        for finding in same if len(same) > 1 else ():
            others = ", ".join(f"{other.host}:{other.path}" for other in same if other is not finding)
            duplicate = red("duplicate", f"the same key as {others}")
            flagged[id(finding)] = replace(finding, flags=(*finding.flags, duplicate))
    return [flagged.get(id(finding), finding) for finding in findings]


def _file(location: FileLocation, kind: FindingKind, *flags: Flag) -> Finding:
    return Finding(location.host, str(location), kind, owner=location.owner, mode=location.mode, flags=flags)
