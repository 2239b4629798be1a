"""The output of a host's scan (templates/audit/scan.sh) → Scan."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace

from phoenix.pki.audit.scan import FileLocation, FoundCertificate, FoundKey, FoundStore, KeyState, Scan
from phoenix.pki.bundle import CERTIFICATE
from phoenix.pki.x509.fields import CURVES

OPENSSL_CURVES = {"prime256v1": "secp256r1"}
"""openssl's names of curves that differ from cryptography's."""


def read_scan(host: str, output: str) -> Scan:
    """Parse the output of a scan: one fact a line, each about the file of the last `@file` line."""
    scan, location = Scan(host), FileLocation(host, "", "", "0")
    for line in output.splitlines():
        kind, _, rest = line.partition("|")
        if kind == "@file":
            mode, owner, path = rest.split("|", 2)
            location = FileLocation(host, path, owner, mode.zfill(4))
        elif kind == "@main":
            location = replace(location, part=rest)
        else:
            _read_file_fact(scan, location, kind, rest)
    return scan


def _read_file_fact(scan: Scan, location: FileLocation, kind: str, rest: str) -> None:
    match kind:
        case "@certificates" | "@encoded":
            _read_certificates(scan, location, b64decode(rest).decode("utf-8", "replace"))
        case "@key":
            _read_key(scan, location, rest)
        case "@held":
            part = location.part if rest == "certificate" else rest
            scan.keys.append(FoundKey(replace(location, part=part), "held"))
        case "@store":
            scan.stores.append(FoundStore(location, int(rest)))
        case "@container":
            scan.stores.append(FoundStore(location))
        case "@unreadable":
            scan.unreadable.append(location)
        case "@reader":
            file, path = rest.split("|", 1)
            scan.readers.setdefault(path, []).append(file)
        case _:
            _read_host_fact(scan, kind, rest)


def _read_host_fact(scan: Scan, kind: str, rest: str) -> None:
    match kind:
        case "@unit":
            active, outcome, name = rest.split("|", 2)
            scan.units[name] = (active, outcome)
        case "@served":
            der, name = rest.split("|", 1)
            scan.served[name] = b64decode(der)
        case "@silent":
            scan.silent.add(rest)
        case "@end":
            scan.complete = True


def _read_certificates(scan: Scan, location: FileLocation, text: str) -> None:
    chain = tuple(f"{pem}\n" for pem in CERTIFICATE.findall(text.replace("X509 CERT", "CERT").replace("\r", "")))
    if chain:
        scan.certificates.append(FoundCertificate(location, chain))
    else:
        scan.unreadable.append(location)


def _read_key(scan: Scan, location: FileLocation, rest: str) -> None:
    number, reported, public, kind = rest.split("|", 3)
    if number != "1":
        location = replace(location, part=f"key {number}")
    state: KeyState = "encrypted" if reported == "encrypted" else "plain" if reported == "plain" else "broken"
    scan.keys.append(FoundKey(location, state, public if len(public) > 1 else None, _key_type(kind)))


def _key_type(text: str) -> str:
    """The type of a key in the terms of phoenix.pki.x509, from the words of openssl or ssh-keygen."""
    words = text.split()
    if words[:1] == ["ssh"]:
        return f"SSH {words[2].strip('()')} {words[1]}" if len(words) > 2 else "SSH"  # noqa: PLR2004  # ssh, bits, type
    facts = dict(zip(words[::2], words[1::2], strict=False))
    if oid := facts.get("oid"):
        return CURVES.get(OPENSSL_CURVES.get(oid, oid), f"EC {oid}")
    return f"RSA {facts.get('bits', '?')}" if facts.get("kind") == "RSA" else facts.get("kind", "-").title()
