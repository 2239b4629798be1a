"""The desired ca.json: it follows the settings, keeps all other keys, and is compared by content."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from phoenix.conventions import CA_STATE
from phoenix.pki.ca.config import (
    ANNOUNCED,
    SETTLED,
    SIGNINGS,
    SWITCHED,
    SWITCHED_INTERMEDIATE,
    WITHDRAWN,
    CaSettings,
    Signing,
    desired_config,
    differences,
    dump_config,
    provisioner_key,
    read_config,
    signing,
    with_provisioner,
)

SETTINGS = CaSettings(
    names=("ca.lab.test", "localhost", "127.0.0.1"),
    port=9000,
    provisioner="admin",
    default_lifetime=timedelta(days=7),
    max_lifetime=timedelta(days=30),
    mesh_lifetime=timedelta(hours=24),
)
PRESENT: dict[str, Any] = {
    "root": f"{CA_STATE}/certs/root_ca.crt",
    "crt": f"{CA_STATE}/certs/intermediate_ca.crt",
    "key": f"{CA_STATE}/secrets/intermediate_ca_key",
    "address": ":443",
    "dnsNames": ["old.lab.test"],
    "db": {"type": "badgerv2"},
    "authority": {
        "provisioners": [
            {
                "type": "JWK",
                "name": "admin",
                "key": {"kid": "one"},
                "encryptedKey": "a.b.c.d.e",
                "options": {"ssh": {}},
            },
            {"type": "ACME", "name": "acme", "claims": {"enableSSHCA": False}},
            {"type": "JWK", "name": "someone else", "key": {"kid": "two"}, "encryptedKey": "v.w.x.y.z"},
        ]
    },
}


def test_limits_follow_the_settings() -> None:
    """Each provisioner of the estate gets its limits and template; a foreign one is not changed."""
    token, acme, other = desired_config(PRESENT, SETTINGS)["authority"]["provisioners"]
    assert token["claims"] == {
        "minTLSCertDuration": "300s",
        "defaultTLSCertDuration": "604800s",
        "maxTLSCertDuration": "2592000s",
    }
    assert (acme["claims"]["maxTLSCertDuration"], acme["claims"]["enableSSHCA"]) == ("86400s", False)
    assert "clientAuth" in token["options"]["x509"]["template"]
    assert "clientAuth" not in acme["options"]["x509"]["template"]
    assert token["options"]["ssh"] == {}
    assert other == PRESENT["authority"]["provisioners"][2]


def test_other_keys_stay() -> None:
    """Database and provisioner keys stay as they are; names and address follow the settings."""
    desired = desired_config(PRESENT, SETTINGS)
    assert desired["db"] == PRESENT["db"]
    assert desired["authority"]["provisioners"][0]["encryptedKey"] == "a.b.c.d.e"
    assert (desired["address"], desired["dnsNames"]) == (":9000", list(SETTINGS.names))


def test_idempotent() -> None:
    """A desired ca.json has no differences in any order of keys, and its source is not modified."""
    before = deepcopy(PRESENT)
    desired = desired_config(PRESENT, SETTINGS)
    turned = json.loads(json.dumps(desired, sort_keys=True))
    assert list(differences(turned, desired_config(turned, SETTINGS))) == []
    assert read_config(dump_config(desired)) == desired
    assert before == PRESENT


def test_differences_name_places_only() -> None:
    """A difference is reported by its path, without values, because some are keys."""
    desired = desired_config(PRESENT, SETTINGS)
    desired["authority"]["provisioners"][0]["encryptedKey"] = "secret"
    paths = list(differences(desired, desired_config(PRESENT, SETTINGS)))
    assert paths == ["authority.provisioners[0].encryptedKey"]
    assert list(differences([1], [1, 2], "list")) == ["list"]


@pytest.mark.parametrize("signs", SIGNINGS)
def test_signing_is_kept(signs: Signing) -> None:
    """A deployment keeps the signing files that a rotation has set."""
    rotating = desired_config(PRESENT, SETTINGS, signs)
    assert signing(rotating) == signs
    assert desired_config(rotating, SETTINGS) == rotating


def test_unknown_signing_is_corrected() -> None:
    """Signing files that no rotation sets are read as the settled ones."""
    assert signing({**PRESENT, "crt": "/tmp/other.crt"}) == SETTLED
    assert signing({}) == SETTLED
    assert len({SETTLED, ANNOUNCED, SWITCHED, SWITCHED_INTERMEDIATE, WITHDRAWN}) == len(SIGNINGS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "empty"),
        (" \n", "empty"),
        ("{", "not JSON"),
        ("[]", "no authority"),
        ('{"authority": 1}', "no authority"),
    ],
)
def test_unreadable(text: str | None, reason: str) -> None:
    """An invalid ca.json is refused with the reason."""
    with pytest.raises(ValueError, match=reason):
        read_config(text)


def test_key_of_a_provisioner() -> None:
    """The key of the named provisioner is found and replaced; that of another one is not changed."""
    halves = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    desired = with_provisioner(PRESENT, "admin", '{"kid": "three"}', json.dumps({half: half[0] for half in halves}))
    assert provisioner_key(PRESENT, "admin") == "one"
    assert provisioner_key(desired, "admin") == "three"
    assert provisioner_key(desired, "nobody") is None
    assert desired["authority"]["provisioners"][0]["encryptedKey"] == "p.e.i.c.t"
    assert desired["authority"]["provisioners"][2] == PRESENT["authority"]["provisioners"][2]
