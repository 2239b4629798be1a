"""The names of the lab's Internet and their addresses, which exist only in the namespace `internet`.

The addresses are global ones: `egress` opens no others.
"""

from __future__ import annotations

MIRROR = "151.101.2.132"
REGISTRY = "44.208.254.194"
RESOLVERS = ("8.8.8.8", "1.1.1.1")

SUBSCRIPTION = "enterprise.proxmox.com"
"""The host of Proxmox's packages for subscribers; every new node has it as a source."""

NAMES = {
    "deb.debian.org": MIRROR,
    "security.debian.org": MIRROR,
    SUBSCRIPTION: MIRROR,
    "registry-1.docker.io": REGISTRY,
    "auth.docker.io": REGISTRY,
    "index.docker.io": REGISTRY,
    "dns.google": RESOLVERS[0],
    "one.one.one.one": RESOLVERS[1],
}
LEADS_INSIDE = {"rebinding.example": "10.0.0.10"}
"""An external name with an address of the estate, as in a DNS rebinding attack."""
HTTPS_NAMES = ("registry-1.docker.io", "auth.docker.io", "index.docker.io")
ADDRESSES = (*RESOLVERS, MIRROR, REGISTRY)
