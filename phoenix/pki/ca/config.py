"""step-ca's ca.json as desired: a pure function of the present one and of the estate's settings.

Keys that the settings do not cover keep their values. The provisioners' keys and the files that sign are state of the
CA: a deployment during a rotation keeps both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from phoenix.conventions import CA_STATE
from phoenix.estate import MIN_LIFETIME

LEAF_TEMPLATE = """{
  "subject": {{ toJson .Subject }},
  "sans": {{ toJson .SANs }},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": [{{ if eq (default "" .Token.user.usage) "client" }}"clientAuth"{{ else }}"serverAuth", \
"clientAuth"{{ end }}]
}"""
"""A leaf by token: the signed token states its usage. Renewal needs clientAuth, so a server's leaf has it, too."""
MESH_TEMPLATE = """{
  "subject": {{ toJson .Subject }},
  "sans": {{ toJson .SANs }},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["serverAuth"]
}"""


@dataclass(frozen=True)
class Signing:
    """Which files sign, and which roots the CA publishes: paths relative to the state."""

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
"""Every valid combination, in the order in which a rotation passes through them."""


@dataclass(frozen=True)
class CaSettings:
    """The estate's settings for the CA: default and maximum lifetime of a leaf by token, and that of the mesh's."""

    names: tuple[str, ...]
    port: int
    provisioner: str
    default_lifetime: timedelta
    max_lifetime: timedelta
    mesh_lifetime: timedelta


def signing(config: dict[str, Any]) -> Signing:
    """The files that sign by a ca.json; any unknown combination is read as SETTLED, to be corrected."""
    roots = config.get("root", ())
    roots = (roots,) if isinstance(roots, str) else tuple(map(str, roots or ()))
    certificate, key = (_relative(str(config.get(name, ""))) for name in ("crt", "key"))
    configured = Signing(tuple(map(_relative, roots)), certificate, key)
    return configured if configured in SIGNINGS else SETTLED


def provisioner_key(config: dict[str, Any], name: str) -> str | None:
    """The key id of the token provisioner; None if there is no such provisioner."""
    key = next(_token_provisioners(config, name), {}).get("key")
    return str(key["kid"]) if isinstance(key, dict) and "kid" in key else None


def read_config(text: str | None) -> dict[str, Any]:
    """Read a ca.json; ValueError says why it is none."""
    if not (text or "").strip():
        raise ValueError("it is empty")
    try:
        config = json.loads(text or "")
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("authority"), dict):
        raise ValueError("it has no authority")  # noqa: TRY004  # a wrong value of a file, not a mistake of ours
    return config


def desired_config(config: dict[str, Any], settings: CaSettings, signs: Signing | None = None) -> dict[str, Any]:
    """The desired ca.json; a rotation passes the files that are to sign, otherwise they stay."""
    signs = signs or signing(config)
    desired = deepcopy(config)
    desired |= {
        "root": _absolute(signs.roots[0]) if len(signs.roots) == 1 else [_absolute(root) for root in signs.roots],
        "crt": _absolute(signs.certificate),
        "key": _absolute(signs.key),
        "address": f":{settings.port}",
        "dnsNames": list(settings.names),
        "tls": {**_mapping(desired.get("tls")), "minVersion": 1.2, "maxVersion": 1.3, "renegotiation": False},
    }
    for entry in _token_provisioners(desired, settings.provisioner):
        _limit(entry, settings.default_lifetime, settings.max_lifetime, LEAF_TEMPLATE)
    for entry in _provisioners(desired):
        if entry.get("type") == "ACME":
            _limit(entry, settings.mesh_lifetime, settings.mesh_lifetime, MESH_TEMPLATE)
    return desired


def with_provisioner(config: dict[str, Any], name: str, public: str, private: str) -> dict[str, Any]:
    """The ca.json with a new key of the token provisioner: its two halves as written by `step crypto jwk create`."""
    changed, sealed = deepcopy(config), json.loads(private)
    parts = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    for entry in _token_provisioners(changed, name):
        entry |= {"key": json.loads(public), "encryptedKey": ".".join(sealed[part] for part in parts)}
    return changed


def differences(seen: object, want: object, path: str = "") -> Iterator[str]:
    """The dotted paths at which two ca.json differ; values are not shown, because some are keys."""
    if isinstance(seen, dict) and isinstance(want, dict):
        for key in dict.fromkeys((*want, *seen)):
            yield from differences(seen.get(key), want.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(seen, list) and isinstance(want, list) and len(seen) == len(want):
        for index, (one, other) in enumerate(zip(seen, want, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif seen != want:
        yield path


def dump_config(config: dict[str, Any]) -> str:
    """The text of a ca.json."""
    return json.dumps(config, indent="\t") + "\n"


def _limit(entry: dict[str, Any], default: timedelta, maximum: timedelta, template: str) -> None:
    limits = {"min": MIN_LIFETIME, "default": default, "max": maximum}
    claims = {f"{name}TLSCertDuration": f"{int(value.total_seconds())}s" for name, value in limits.items()}
    entry["claims"] = {**_mapping(entry.get("claims")), **claims}
    options = _mapping(entry.get("options"))
    entry["options"] = {**options, "x509": {**_mapping(options.get("x509")), "template": template}}


def _token_provisioners(config: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    return (entry for entry in _provisioners(config) if entry.get("type") == "JWK" and entry.get("name") == name)


def _provisioners(config: dict[str, Any]) -> list[dict[str, Any]]:
    entries = _mapping(config.get("authority")).get("provisioners")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _absolute(path: str) -> str:
    return f"{CA_STATE}/{path}"


def _relative(path: str) -> str:
    return path.removeprefix(f"{CA_STATE}/")
