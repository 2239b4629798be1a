"""Writes the hypervisor's configuration files, keys and units into its upper layer before each start."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from phoenix.lab.images.debian_packages import SUITE
from phoenix.lab.internet.names import SUBSCRIPTION
from phoenix.lab.places import BRIDGE, CODE, HYPERVISOR, INSIDE_CODE, INTERNET, NODE

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix.lab.credentials import Credentials
    from phoenix.lab.places import LabPlaces

SSHD = """# Phoenix lab: the controller logs in as root with its key.
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
"""
# As a node's installer writes it; only read here: phoenix-lab-network.service creates the bridge.
INTERFACES = f"""auto lo
iface lo inet loopback

auto {BRIDGE}
iface {BRIDGE} inet static
\taddress {HYPERVISOR}/24
\tgateway {INTERNET}
\tbridge-ports none
\tbridge-stp off
\tbridge-fd 0
"""
ENTERPRISE = f"deb http://{SUBSCRIPTION}/debian/pve {SUITE} pve-enterprise\n"
"""As a node's installer writes it, except for https: without subscription, it answers 401."""


def prepare(places: LabPlaces, credentials: Credentials) -> None:
    """Write host names, keys and units. Do not overwrite files that a deployment may change."""
    upper = places.lab / "pve" / "upper"
    _write_lab_files(upper, places)
    initial = {
        "etc/apt/sources.list.d/pve-enterprise.list": ENTERPRISE,
        "etc/hostname": f"{NODE}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{HYPERVISOR} {NODE}.internal {NODE}\n",
        "etc/resolv.conf": f"nameserver {INTERNET}\n",
        "etc/network/interfaces": INTERFACES,
        "etc/ssh/sshd_config.d/phoenix-lab.conf": SSHD,
        "etc/ssh/ssh_host_ed25519_key.pub": f"{credentials.host_key}\n",
    }
    for name, content in initial.items():
        if not (upper / name).exists():
            _write(upper / name, content)


def _write_lab_files(upper: Path, places: LabPlaces) -> None:
    """Overwrite, at every start, the files that only the lab owns: keys, units, stand-ins for Proxmox's programs."""
    _write(upper / "etc/ssh/ssh_host_ed25519_key", (places.lab / "host_ed25519").read_text(), 0o600)
    keys = upper / "root/.ssh/authorized_keys"
    _write(keys, (places.lab / "controller_ed25519.pub").read_text(), 0o600)
    keys.parent.chmod(0o700)
    keys.parent.parent.chmod(0o700)
    units = upper / "etc/systemd/system"
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for unit in sorted((CODE / "inside").glob("*.service")):
        shutil.copyfile(unit, units / unit.name)
        (wants / unit.name).unlink(missing_ok=True)
        (wants / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")
    programs = upper / "usr/sbin"
    programs.mkdir(parents=True, exist_ok=True)
    for program in sorted((CODE / "pve/bin").iterdir()):
        (programs / program.name).unlink(missing_ok=True)
        (programs / program.name).symlink_to(INSIDE_CODE / "lab/pve/bin" / program.name)


def _write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_text(content)
    path.chmod(mode)
