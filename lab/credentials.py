"""What the lab's two lanes are pinned and opened with; generated once, kept until `down`."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from phoenix.lab.images.webpki import pem, private_pem, self_signed
from phoenix.lab.places import HYPERVISOR, NODE

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix.lab.places import LabPlaces

TOKEN = "phoenix@pve!deploy"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True)
class Credentials:
    """The names and pins that the access file holds."""

    token_id: str
    token_secret: str
    root_password: str
    fingerprint: str
    host_key: str


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def _ssh_key(path: Path, comment: str) -> str:
    """Generate a key pair; the public half, as OpenSSH writes it."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    write_private(path, private)
    path.with_suffix(".pub").write_bytes(public + f" {comment}\n".encode())
    return public.decode()


def _api_certificate(state: Path) -> str:
    """Generate the certificate of the API; its fingerprint, as Proxmox shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(NODE), x509.DNSName("localhost")]
    addresses = [x509.IPAddress(IPv4Address(address)) for address in (HYPERVISOR, "127.0.0.1")]
    certificate = self_signed(NODE, key, x509.SubjectAlternativeName([*names, *addresses]))
    write_private(state / "api.key", private_pem(key))
    (state / "api.crt").write_bytes(pem(certificate))
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def obtain(places: LabPlaces) -> Credentials:
    """The lab's credentials, generated if there are none yet."""
    places.state.mkdir(parents=True, exist_ok=True)
    places.state.chmod(0o700)
    record = places.state / "api.json"  # written last: if it is there, so is everything else
    if record.is_file():
        return Credentials(**json.loads(record.read_text()))
    _ssh_key(places.lab / "controller_ed25519", "phoenix-controller")
    made = Credentials(
        token_id=TOKEN,
        token_secret=str(uuid.uuid4()),
        root_password=secrets.token_urlsafe(24),
        fingerprint=_api_certificate(places.state),
        host_key=_ssh_key(places.lab / "host_ed25519", NODE),
    )
    write_private(record, json.dumps(asdict(made), indent=1).encode())
    return made
