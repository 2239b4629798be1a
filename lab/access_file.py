"""Writes the access file from the credentials and the forwarder's ports, in the format that a real estate uses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phoenix.lab.credentials import Credentials, write_private
from phoenix.lab.errors import LabError

if TYPE_CHECKING:
    from phoenix.lab.forward import Forwarder
    from phoenix.lab.places import LabPlaces

TEMPLATE = """# How the controller connects to the lab. Written by runbooks/lab.py. Keep it secret, like a password.
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


def write(places: LabPlaces, credentials: Credentials, forwarder: Forwarder | None) -> None:
    """Write the access file with mode 0600; raise LabError if the forwarder is not running."""
    if forwarder is None:
        raise LabError(f"the forwarder is not running; see {places.lab / 'forward.log'} for the reason")
    content = TEMPLATE.format(
        url=json.dumps(f"https://127.0.0.1:{forwarder.api}"),  # a JSON string is a YAML string
        fingerprint=json.dumps(credentials.fingerprint),
        token_id=json.dumps(credentials.token_id),
        token_secret=json.dumps(credentials.token_secret),
        port=forwarder.ssh,
        host_key=json.dumps(credentials.host_key),
        key_file=json.dumps(str(places.lab / "controller_ed25519")),
    )
    write_private(places.access, content.encode())
