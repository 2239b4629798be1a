"""ca.json is brought to what the settings say, keeps what they do not speak of, and is compared by meaning."""

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
    differences,
    provisioner_key,
    read_config,
    signing,
    spell,
    wanted,
    with_provisioner,
)

SETTINGS = CaSettings(
    names=("ca.lab.test", "localhost", "127.0.0.1"),
    port=9000,
    provisioner="admin",
    usual=timedelta(days=7),
    longest=timedelta(days=30),
    mesh=timedelta(hours=24),
)
MADE: dict[str, Any] = {
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
    """Each provisioner gets its limits and its template, and one that is not ours is left alone."""
    token, acme, other = wanted(MADE, SETTINGS)["authority"]["provisioners"]
    assert token["claims"] == {
        "minTLSCertDuration": "300s",
        "defaultTLSCertDuration": "604800s",
        "maxTLSCertDuration": "2592000s",
    }
    assert (acme["claims"]["maxTLSCertDuration"], acme["claims"]["enableSSHCA"]) == ("86400s", False)
    assert "clientAuth" in token["options"]["x509"]["template"]
    assert "clientAuth" not in acme["options"]["x509"]["template"]
    assert token["options"]["ssh"] == {}
    assert other == MADE["authority"]["provisioners"][2]


def test_what_is_not_spoken_of_stays() -> None:
    """Database and keys of provisioners are as they were; names and address are changed in place."""
    made = wanted(MADE, SETTINGS)
    assert made["db"] == MADE["db"]
    assert made["authority"]["provisioners"][0]["encryptedKey"] == "a.b.c.d.e"
    assert (made["address"], made["dnsNames"]) == (":9000", list(SETTINGS.names))


def test_wanted_is_wanted() -> None:
    """What was made once needs no change, whatever the order of its keys, and what was given is left as it was."""
    before = deepcopy(MADE)
    made = wanted(MADE, SETTINGS)
    turned = json.loads(json.dumps(made, sort_keys=True))
    assert list(differences(turned, wanted(turned, SETTINGS))) == []
    assert read_config(spell(made)) == made
    assert before == MADE


def test_differences_name_places_only() -> None:
    """A difference is told by its place: neither value is shown, for one may be a key."""
    made = wanted(MADE, SETTINGS)
    made["authority"]["provisioners"][0]["encryptedKey"] = "secret"
    told = list(differences(made, wanted(MADE, SETTINGS)))
    assert told == ["authority.provisioners[0].encryptedKey"]
    assert list(differences([1], [1, 2], "list")) == ["list"]


@pytest.mark.parametrize("signs", SIGNINGS)
def test_signing_is_kept(signs: Signing) -> None:
    """A deployment leaves what signs as a rotation has set it."""
    rotating = wanted(MADE, SETTINGS, signs)
    assert signing(rotating) == signs
    assert wanted(rotating, SETTINGS) == rotating


def test_strange_signing_is_put_right() -> None:
    """Paths that no rotation sets are an edit, and go back to the usual ones."""
    assert signing({**MADE, "crt": "/tmp/other.crt"}) == SETTLED
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
    """What is no ca.json is refused with the reason."""
    with pytest.raises(ValueError, match=reason):
        read_config(text)


def test_key_of_a_provisioner() -> None:
    """The key of the provisioner of that name is found, and replaced without touching another's."""
    halves = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    made = with_provisioner(MADE, "admin", '{"kid": "three"}', json.dumps({half: half[0] for half in halves}))
    assert provisioner_key(MADE, "admin") == "one"
    assert provisioner_key(made, "admin") == "three"
    assert provisioner_key(made, "nobody") is None
    assert made["authority"]["provisioners"][0]["encryptedKey"] == "p.e.i.c.t"
    assert made["authority"]["provisioners"][2] == MADE["authority"]["provisioners"][2]
