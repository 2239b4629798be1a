"""Estate → where the authority is: its names, its address, and the places of its files."""

from __future__ import annotations

from phoenix.conventions import CA_CONFIG, CA_PORT, CA_STATE
from phoenix.derive.storage import mount_path
from phoenix.estate import Estate, Guest

SIGNING_ROOT, PUBLISHED_BUNDLE, PUBLISHED_ISSUER = "phoenix_ca.crt", "phoenix_ca_bundle.crt", "phoenix_ca_issuer.crt"


def ca_url(estate: Estate) -> str:
    """Where the authority answers."""
    return f"https://{ca_names(estate)[0]}:{CA_PORT}"


def ca_names(estate: Estate) -> tuple[str, ...]:
    """Names and addresses in the authority's own certificate; the first is the one that everybody uses."""
    authority = estate.guest_with("step_ca")
    labels = ("ca", *(alias for alias in authority.aliases if alias != "ca"), authority.name)
    names = dict.fromkeys(estate.fqdn(label) for label in labels)
    return (*names, "127.0.0.1", str(authority.address))


def state_directory(estate: Estate, authority: Guest) -> str:
    """Where the authority's state lies on its hypervisor."""
    mount = next(mount for mount in authority.mounts if mount.target == CA_STATE)
    return mount_path(estate.hypervisor_of(authority), authority, mount)


def exported_root(estate: Estate) -> str:
    """Where the root certificate is published on the authority's hypervisor."""
    return _published(estate, SIGNING_ROOT)


def exported_bundle(estate: Estate) -> str:
    """Where all anchors are published on the authority's hypervisor."""
    return _published(estate, PUBLISHED_BUNDLE)


def published_files(estate: Estate) -> tuple[str, ...]:
    """What the authority's hypervisor can read of it: its bundle, what signs now, and its settings."""
    return tuple(_published(estate, name) for name in (PUBLISHED_BUNDLE, PUBLISHED_ISSUER, CA_CONFIG))


def _published(estate: Estate, name: str) -> str:
    return f"{state_directory(estate, estate.guest_with('step_ca'))}/{name}"
