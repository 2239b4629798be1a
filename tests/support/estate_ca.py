"""A CA for the estates of the tests, valid now: a constrained root, its intermediate, and leaves as declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from phoenix.derive.certificates import Leaf
from phoenix.pki.bundle import Bundle, SeenAuthority
from tests.unit.phoenix.pki.certificates import NOW, certificate, key, name

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SINCE = datetime.now(UTC).replace(microsecond=0) - NOW
"""What moves the times of `certificate` from its own clock to the real one."""
DOMAINS = ("lab.test", "old.test", "internal.thinkheads.ai", "phoenix.local")
NETWORKS = ("10.0.0.0/24", "127.0.0.0/8")
KEY_ID = "key-of-the-provisioner"


def _root(subject: str) -> str:
    constraints = x509.NameConstraints([*map(x509.DNSName, DOMAINS), *_networks()], None)
    builder = x509.CertificateBuilder(name(subject), name(subject), key(subject).public_key(), serial_number=1)
    builder = builder.not_valid_before(NOW + SINCE - HOUR).not_valid_after(NOW + SINCE + 3650 * DAY)
    builder = builder.add_extension(constraints, critical=True)
    return builder.sign(key(subject), SHA256()).public_bytes(Encoding.PEM).decode()


def _networks() -> list[x509.IPAddress]:
    return [x509.IPAddress(ip_network(network)) for network in NETWORKS]


ROOT, OTHER_ROOT = _root("root"), _root("other root")
INTERMEDIATE = certificate("intermediate", "root", begin=SINCE - HOUR, end=SINCE + 1825 * DAY)
AUTHORITY = SeenAuthority(Bundle((ROOT,)), INTERMEDIATE, KEY_ID)
ROTATING = SeenAuthority(Bundle((ROOT, OTHER_ROOT)), INTERMEDIATE, KEY_ID)
"""The authority while its root is replaced: both roots are anchors."""


@lru_cache
def issued(leaf: Leaf) -> str:
    """The chain of a leaf, issued an hour ago."""
    usages = {"server": ("server", "client"), "client": ("client",)}[leaf.usage]
    begin = SINCE - HOUR
    end = begin + leaf.validity.lifetime
    names = {"names": leaf.dns, "addresses": leaf.ips, "usages": usages}
    return certificate(leaf.name, "intermediate", provisioner=KEY_ID, begin=begin, end=end, **names) + INTERMEDIATE


@lru_cache
def mesh_chain(hosts: tuple[str, ...], lifetime: timedelta, issuer: str = "intermediate") -> str:
    """The chain of a certificate of the mesh, issued an hour ago."""
    begin = SINCE - HOUR
    return certificate(hosts[0], issuer, names=hosts, begin=begin, end=begin + lifetime) + INTERMEDIATE
