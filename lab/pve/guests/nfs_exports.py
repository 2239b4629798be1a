"""The hypervisor's NFS exports, from the table of the stand-in for exportfs. Pure except for ``load``."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from phoenix.lab.pve.guests.spec import GuestSpec

TABLE = Path("/run/lab-exports")


@dataclass(frozen=True)
class NfsExport:
    """One line of the table: a path exported to a client."""

    path: str
    client: str
    read_only: bool = False

    def reaches(self, address: str) -> bool:
        """Whether a host with this address may mount it."""
        if self.client == "*":
            return True
        try:
            return ipaddress.ip_address(address) in ipaddress.ip_network(self.client, strict=False)
        except ValueError:
            return False


def parse(text: str) -> tuple[NfsExport, ...]:
    """Return the exports of a table of ``PATH CLIENT OPTIONS`` lines; options are comma-separated or absent."""
    exports = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0].startswith("/"):  # noqa: PLR2004 - a path and a client
            options = ",".join(fields[2:]).strip("()").split(",")
            exports.append(NfsExport(fields[0].rstrip("/") or "/", fields[1], "ro" in options))
    return tuple(exports)


def load(table: Path = TABLE) -> tuple[NfsExport, ...]:
    """Return the current exports."""
    return parse(table.read_text()) if table.is_file() else ()


def shares(exports: tuple[NfsExport, ...], spec: GuestSpec) -> tuple[str, ...]:
    """Return the existing exported directories that a VM may mount, without duplicates."""
    if not spec.is_vm:
        return ()
    addresses = [nic.address.split("/")[0] for nic in spec.nics if nic.address]
    paths = [e.path for e in exports if any(e.reaches(address) for address in addresses)]
    return tuple(sorted(path for path in dict.fromkeys(paths) if Path(path).is_dir()))
