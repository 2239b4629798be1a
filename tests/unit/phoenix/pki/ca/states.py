"""States of a CA for the tests: settled, during a rotation of the root, and of the intermediate."""

from __future__ import annotations

import json
from dataclasses import replace

from phoenix.conventions import CA_STATE
from phoenix.pki.ca.config import NEXT_PAIR, NEXT_ROOT, OLD_PAIR, OLD_ROOT, SETTLED, Signing
from phoenix.pki.ca.state import NEEDED, ROOT_KEY, SeenState
from tests.unit.phoenix.pki.certificates import HOUR, certificate, public

ROOT, INTERMEDIATE = certificate("root", "root", end=9000 * HOUR), certificate("int", "root", end=900 * HOUR)
OTHER_ROOT, OTHER = certificate("root 2", "root 2", end=9000 * HOUR), certificate("int 2", "root 2", end=900 * HOUR)
SECOND = certificate("int 2", "root", end=900 * HOUR)


def config(signs: Signing) -> str:
    """A ca.json with the signing files only."""
    roots = [f"{CA_STATE}/{path}" for path in signs.roots]
    return json.dumps(
        {"root": roots, "crt": f"{CA_STATE}/{signs.certificate}", "key": f"{CA_STATE}/{signs.key}", "authority": {}}
    )


VALID = SeenState(
    frozenset((*NEEDED, ROOT_KEY)),
    config(SETTLED),
    {OLD_ROOT: ROOT, OLD_PAIR[0]: INTERMEDIATE},
    {OLD_PAIR[1]: public("int")},
)
ROOT_NEXT = replace(
    VALID,
    present=VALID.present | {NEXT_ROOT, *NEXT_PAIR},
    certificates={**VALID.certificates, NEXT_ROOT: OTHER_ROOT, NEXT_PAIR[0]: OTHER},
    public_keys={**VALID.public_keys, NEXT_PAIR[1]: public("int 2")},
)
INTERMEDIATE_NEXT = replace(ROOT_NEXT, certificates={**VALID.certificates, NEXT_ROOT: ROOT, NEXT_PAIR[0]: SECOND})
COPIED = replace(ROOT_NEXT, certificates={**ROOT_NEXT.certificates, OLD_ROOT: OTHER_ROOT, OLD_PAIR[0]: OTHER})
