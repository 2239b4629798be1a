"""Writing the access file: how the controller reaches the lab, in the format of a real estate's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phoenix.lab.credentials import Credentials, write_private
from phoenix.lab.errors import LabError

if TYPE_CHECKING:
    from phoenix.lab.forward import Forwarder
    from phoenix.lab.places import LabPlaces

TEMPLATE = """# How the controller reaches the lab. Written by runbooks/lab.py; as secret as a password.
pve:
  api:
    url: {url}
    fingerprint: {fingerprint}
    token_id: {token_id}
    token_secret: {token_secret}
  ssh:
    host: 127.0.0.1
    port: {port}
    user: root
    host_key: {host_key}
    key_file: {key_file}
"""


def write(places: LabPlaces, made: Credentials, forwarder: Forwarder | None) -> None:
    """Write the access file, readable by its owner only."""
    if forwarder is None:
        raise LabError(f"the forwarder ended; {places.lab / 'forward.log'} may say why")
    content = TEMPLATE.format(
        url=json.dumps(f"https://127.0.0.1:{forwarder.api}"),  # JSON's strings are YAML's
        fingerprint=json.dumps(made.fingerprint),
        token_id=json.dumps(made.token_id),
        token_secret=json.dumps(made.token_secret),
        port=forwarder.ssh,
        host_key=json.dumps(made.host_key),
        key_file=json.dumps(str(places.lab / "controller_ed25519")),
    )
    write_private(places.access, content.encode())
