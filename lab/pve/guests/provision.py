"""Writes a guest's files before each start: names and resolver, a VM's cloud-init account, the workload's stand-in."""

import json
import os
import re
import secrets
from pathlib import Path

from phoenix.lab.pve.command import CommandError, run
from phoenix.lab.pve.guests.rootfs import Rootfs, hosts_file, resolver_file
from phoenix.lab.pve.guests.spec import GuestSpec

STANDINS = Path(__file__).resolve().parents[2] / "standins"
_HOST_KEYS = ("ecdsa", "ed25519")
_WANTS = "/etc/systemd/system/multi-user.target.wants"

# The stand-in for NFS mounts another file system, for which systemd drops the order before remote-fs.target when the
# mount appears: at a boot, that target would wait for ever.
_MOUNTS = "[Unit]\nBefore=remote-fs.target\n"
_AGENT = """[Unit]
Description=Stand-in for the QEMU guest agent: while it is active, the lab's API answers the agent's endpoints
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/touch /run/lab-guest-agent
ExecStop=/bin/rm -f /run/lab-guest-agent
[Install]
WantedBy=multi-user.target
"""

_WORKLOAD = """[Unit]
Description=Stand-in for the model server of this guest
After=network.target
[Service]
ExecStart=/usr/bin/python3 /opt/lab/standins/model_server.py {arguments}
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""


def prepare(spec: GuestSpec, rootfs: Rootfs, workloads: Path) -> None:
    """Write into a stopped guest all files that it needs at its start."""
    _names(spec, rootfs)
    if spec.is_vm:
        _machine(spec, rootfs)
    _workload(spec, rootfs, workloads)


def make_unique(rootfs: Rootfs, spec: GuestSpec, *, is_clone: bool) -> None:
    """Give a new guest its own machine id and SSH host keys; the clone of a container keeps the keys of its origin."""
    rootfs.write("/etc/machine-id", secrets.token_hex(16) + "\n", 0o444)
    if spec.is_vm or not is_clone:
        for kind in _HOST_KEYS:
            _host_key(rootfs, kind, spec.name)


def _host_key(rootfs: Rootfs, kind: str, name: str) -> None:
    key = rootfs.path(f"/etc/ssh/ssh_host_{kind}_key")
    for path in (key, key.with_name(f"{key.name}.pub")):
        path.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{name}", "-f", str(key))
    for path in (key, key.with_name(f"{key.name}.pub")):
        os.chown(path, rootfs.owner, rootfs.owner)


def authorize_root(rootfs: Rootfs, keys: str) -> None:
    """Write the public keys given at creation to root's authorized_keys."""
    rootfs.write("/root/.ssh/authorized_keys", keys.strip() + "\n", 0o600)
    (rootfs.tree / "root/.ssh").chmod(0o700)


def _names(spec: GuestSpec, rootfs: Rootfs) -> None:
    files = {
        "hostname": spec.name + "\n",
        "hosts": hosts_file(spec, rootfs.read("/etc/hosts")),
        "resolv.conf": resolver_file(spec, Path("/etc/resolv.conf").read_text()),
    }
    for name, text in files.items():
        if not (rootfs.tree / f"etc/.pve-ignore.{name}").exists():
            rootfs.write(f"/etc/{name}", text)


def _machine(spec: GuestSpec, rootfs: Rootfs) -> None:
    rootfs.link(f"{_WANTS}/ssh.service", "/lib/systemd/system/ssh.service")
    rootfs.write("/etc/systemd/system/mount.d/lab-nfs.conf", _MOUNTS)
    if spec.agent:
        rootfs.write("/etc/systemd/system/qemu-guest-agent.service", _AGENT)
        rootfs.link(f"{_WANTS}/qemu-guest-agent.service", "/etc/systemd/system/qemu-guest-agent.service")
    if spec.ssh_keys:
        _account(spec.cloud_user, spec.ssh_keys, rootfs)


def _account(user: str, keys: str, rootfs: Rootfs) -> None:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", user):
        raise CommandError(f"ciuser '{user}' is not a user name")
    entry = _passwd_entry(user, rootfs)
    if entry is None:
        run("chroot", str(rootfs.tree), "/usr/sbin/useradd", "-m", "-s", "/bin/bash", user)
        entry = _passwd_entry(user, rootfs)
    if entry is None:
        raise CommandError(f"guest {rootfs.vmid}: the account {user} could not be created")
    home = entry[5]
    rootfs.write(f"{home}/.ssh/authorized_keys", keys.strip() + "\n", 0o600)
    for path in (f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
        os.chown(rootfs.path(path), int(entry[2]), int(entry[3]))
    rootfs.path(f"{home}/.ssh").chmod(0o700)
    rootfs.write("/etc/sudoers.d/90-cloud-init-users", f"{user} ALL=(ALL) NOPASSWD:ALL\n", 0o440)


def _passwd_entry(user: str, rootfs: Rootfs) -> list[str] | None:
    lines = rootfs.read("/etc/passwd").splitlines()
    return next((line.split(":") for line in lines if line.startswith(f"{user}:")), None)


def _workload(spec: GuestSpec, rootfs: Rootfs, workloads: Path) -> None:
    table = json.loads(workloads.read_text()) if workloads.is_file() else {}
    ports = table.get(str(spec.vmid))
    unit = "/etc/systemd/system/lab-model-server.service"
    link = f"{_WANTS}/lab-model-server.service"
    if not ports:
        for path in (rootfs.path(unit), rootfs.path(link)):
            path.unlink(missing_ok=True)
        return
    rootfs.copy_in(STANDINS / "model_server.py", "/opt/lab/standins/model_server.py")
    arguments = " ".join(f"--{port.get('protocol', 'http')} {port['port']}" for port in ports)
    rootfs.write(unit, _WORKLOAD.format(arguments=arguments))
    rootfs.link(link, unit)
