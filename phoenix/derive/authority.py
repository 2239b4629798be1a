"""Estate → the CA: its names, its address, and the paths of its files."""

from __future__ import annotations

from phoenix.conventions import CA_CONFIG, CA_PORT, CA_STATE
from phoenix.derive.storage import mount_path
from phoenix.estate import Estate, Guest

SIGNING_ROOT, PUBLISHED_BUNDLE, PUBLISHED_ISSUER = "phoenix_ca.crt", "phoenix_ca_bundle.crt", "phoenix_ca_issuer.crt"


def ca_url(estate: Estate) -> str:
    """The URL of the CA."""
    return f"https://{ca_names(estate)[0]}:{CA_PORT}"


def ca_names(estate: Estate) -> tuple[str, ...]:
    """Names and addresses in the CA's own certificate; clients use the first."""
    authority = estate.guest_with("step_ca")
    labels = ("ca", *(alias for alias in authority.aliases if alias != "ca"), authority.name)
    names = dict.fromkeys(estate.fqdn(label) for label in labels)
    return (*names, "127.0.0.1", str(authority.address))


def state_directory(estate: Estate, authority: Guest) -> str:
    """The directory of the CA's state on its hypervisor."""
    mount = next(mount for mount in authority.mounts if mount.target == CA_STATE)
    return mount_path(estate.hypervisor_of(authority), authority, mount)


def exported_root(estate: Estate) -> str:
    """The path of the published root certificate on the CA's hypervisor."""
    return _published(estate, SIGNING_ROOT)


def exported_bundle(estate: Estate) -> str:
    """The path of the published bundle of all anchors on the CA's hypervisor."""
    return _published(estate, PUBLISHED_BUNDLE)


def published_files(estate: Estate) -> tuple[str, ...]:
    """The CA's files that its hypervisor reads: the bundle, the current issuer, and the configuration."""
    return tuple(_published(estate, name) for name in (PUBLISHED_BUNDLE, PUBLISHED_ISSUER, CA_CONFIG))


def _published(estate: Estate, name: str) -> str:
    return f"{state_directory(estate, estate.guest_with('step_ca'))}/{name}"
