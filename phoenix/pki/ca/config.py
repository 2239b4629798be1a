"""step-ca's ca.json as it should be: a pure function of the one that is there and of the estate's settings.

What the settings do not speak of stays as it is. Keys of provisioners, and which pair of files signs, are the
authority's own state: a deployment in the middle of a rotation keeps both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from phoenix.conventions import CA_STATE

SHORTEST = timedelta(minutes=5)
"""The shortest life that the authority gives to a certificate."""
LEAF_TEMPLATE = """{
  "subject": {{ toJson .Subject }},
  "sans": {{ toJson .SANs }},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": [{{ if eq (default "" .Token.user.usage) "client" }}"clientAuth"{{ else }}"serverAuth", \
"clientAuth"{{ end }}]
}"""
"""A leaf by token: its usage stands in the signed token; renewal needs clientAuth, so that a server has it too."""
MESH_TEMPLATE = """{
  "subject": {{ toJson .Subject }},
  "sans": {{ toJson .SANs }},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["serverAuth"]
}"""


@dataclass(frozen=True)
class Signing:
    """Which files of the state sign, and which roots the authority accepts: paths relative to the state."""

    roots: tuple[str, ...]
    certificate: str
    key: str


OLD_ROOT, NEXT_ROOT = "certs/root_ca.crt", "next/root_ca.crt"
OLD_PAIR = ("certs/intermediate_ca.crt", "secrets/intermediate_ca_key")
NEXT_PAIR = ("next/intermediate_ca.crt", "next/intermediate_ca_key")
SETTLED = Signing((OLD_ROOT,), *OLD_PAIR)
ANNOUNCED = Signing((OLD_ROOT, NEXT_ROOT), *OLD_PAIR)
SWITCHED = Signing((OLD_ROOT, NEXT_ROOT), *NEXT_PAIR)
SWITCHED_INTERMEDIATE = Signing((OLD_ROOT,), *NEXT_PAIR)
WITHDRAWN = Signing((NEXT_ROOT,), *NEXT_PAIR)
SIGNINGS = (SETTLED, ANNOUNCED, SWITCHED, SWITCHED_INTERMEDIATE, WITHDRAWN)
"""Every way in which the authority may be set to sign; a rotation goes through them from the first to the last."""


@dataclass(frozen=True)
class CaSettings:
    """What the estate says of its authority; lifetimes are those of leaves by token, and of the mesh's."""

    names: tuple[str, ...]
    port: int
    provisioner: str
    usual: timedelta
    longest: timedelta
    mesh: timedelta


def signing(config: dict[str, Any]) -> Signing:
    """Which files sign by a ca.json; one that names any others counts as settled, and is put right."""
    roots = config.get("root", ())
    roots = (roots,) if isinstance(roots, str) else tuple(map(str, roots or ()))
    found = Signing(tuple(map(_relative, roots)), *(_relative(str(config.get(key, ""))) for key in ("crt", "key")))
    return found if found in SIGNINGS else SETTLED


def provisioner_key(config: dict[str, Any], name: str) -> str | None:
    """The key id of the token provisioner; None where there is none."""
    found = (entry for entry in _provisioners(config) if entry.get("type") == "JWK" and entry.get("name") == name)
    key = next(found, {}).get("key")
    return str(key["kid"]) if isinstance(key, dict) and "kid" in key else None


def read_config(text: str | None) -> dict[str, Any]:
    """Read a ca.json; ValueError says why it cannot be one."""
    if not (text or "").strip():
        raise ValueError("it is empty")
    try:
        found = json.loads(text or "")
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("authority"), dict):
        raise ValueError("it has no authority")  # noqa: TRY004  # a wrong value of a file, not a mistake of ours
    return found


def wanted(config: dict[str, Any], settings: CaSettings, signs: Signing | None = None) -> dict[str, Any]:
    """The ca.json that should be; `signs` is given by the steps of a rotation."""
    signs = signs or signing(config)
    made = deepcopy(config)
    made |= {
        "root": _absolute(signs.roots[0]) if len(signs.roots) == 1 else [_absolute(root) for root in signs.roots],
        "crt": _absolute(signs.certificate),
        "key": _absolute(signs.key),
        "address": f":{settings.port}",
        "dnsNames": list(settings.names),
        "tls": {**_mapping(made.get("tls")), "minVersion": 1.2, "maxVersion": 1.3, "renegotiation": False},
    }
    for entry in _provisioners(made):
        if entry.get("type") == "JWK" and entry.get("name") == settings.provisioner:
            _limit(entry, settings.usual, settings.longest, LEAF_TEMPLATE)
        elif entry.get("type") == "ACME":
            _limit(entry, settings.mesh, settings.mesh, MESH_TEMPLATE)
    return made


def with_provisioner(config: dict[str, Any], name: str, public: str, private: str) -> dict[str, Any]:
    """The ca.json with another key for the token provisioner, as `step crypto jwk create` wrote its halves."""
    made, sealed = deepcopy(config), json.loads(private)
    parts = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    for entry in _provisioners(made):
        if entry.get("type") == "JWK" and entry.get("name") == name:
            entry |= {"key": json.loads(public), "encryptedKey": ".".join(sealed[part] for part in parts)}
    return made


def differences(seen: object, want: object, path: str = "") -> Iterator[str]:
    """Where two ca.json say different things, as dotted paths: values stay untold, for keys are among them."""
    if isinstance(seen, dict) and isinstance(want, dict):
        for key in dict.fromkeys((*want, *seen)):
            yield from differences(seen.get(key), want.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(seen, list) and isinstance(want, list) and len(seen) == len(want):
        for index, (one, other) in enumerate(zip(seen, want, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif seen != want:
        yield path


def spell(config: dict[str, Any]) -> str:
    """Write a ca.json."""
    return json.dumps(config, indent="\t") + "\n"


def _limit(entry: dict[str, Any], usual: timedelta, longest: timedelta, template: str) -> None:
    limits = {"min": SHORTEST, "default": usual, "max": longest}
    claims = {f"{name}TLSCertDuration": f"{int(value.total_seconds())}s" for name, value in limits.items()}
    entry["claims"] = {**_mapping(entry.get("claims")), **claims}
    options = _mapping(entry.get("options"))
    entry["options"] = {**options, "x509": {**_mapping(options.get("x509")), "template": template}}


def _provisioners(config: dict[str, Any]) -> list[dict[str, Any]]:
    found = _mapping(config.get("authority")).get("provisioners")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _absolute(path: str) -> str:
    return f"{CA_STATE}/{path}"


def _relative(path: str) -> str:
    return path.removeprefix(f"{CA_STATE}/")
