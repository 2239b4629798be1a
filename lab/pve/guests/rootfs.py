"""A guest's files: an overlay above the shared image, and what Proxmox writes into it from outside."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from phoenix.lab.pve.command import CommandFailed, run
from phoenix.lab.pve.guests.lxc_config import SHIFT
from phoenix.lab.pve.guests.spec import GuestSpec

IMAGES = Path("/var/lib/lab/image")
CONTAINERS = Path("/var/lib/vz/ct")


@dataclass(frozen=True)
class Rootfs:
    """The files of one guest, reached from outside it."""

    vmid: int
    unprivileged: bool

    @property
    def home(self) -> Path:
        """Everything the guest owns on the host."""
        return CONTAINERS / str(self.vmid)

    @property
    def tree(self) -> Path:
        """The guest's root directory as seen from outside."""
        return self.home / "merged"

    @property
    def owner(self) -> int:
        """The host's id of the guest's root."""
        return SHIFT if self.unprivileged else 0

    @property
    def image(self) -> Path:
        """The shared tree below the overlay."""
        return IMAGES / ("guest-shifted" if self.unprivileged else "guest")

    def make(self, original: "Rootfs | None" = None) -> None:
        """Create the guest's directories; with an original, as a full copy of its files."""
        if original is not None:
            copied = ("upper", "volumes") if (original.home / "volumes").exists() else ("upper",)
            self.home.mkdir(parents=True)
            for name in copied:
                run("cp", "-a", str(original.home / name), str(self.home / name), limit=300)
        for name in ("upper", "work", "merged", "docker"):
            path = self.home / name
            path.mkdir(parents=True, exist_ok=True)
            if name in ("upper", "merged"):
                os.chown(path, self.owner, self.owner)

    def mount(self) -> None:
        """Lay the overlay, if it is not there already."""
        if not (self.image / "sbin").exists():
            raise CommandFailed(f"the guest image {self.image} is missing; run: python runbooks/lab.py up")
        if not self.tree.is_mount():
            layers = f"lowerdir={self.image},upperdir={self.home}/upper,workdir={self.home}/work"
            run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.tree))

    def remove(self) -> None:
        """Take away everything the guest owns."""
        if self.tree.is_mount():
            run("umount", "-l", str(self.tree))
        if self.home.exists():
            run("rm", "-rf", "--one-file-system", str(self.home), limit=300)

    def volume(self, source: str) -> None:
        """Make the directory of a volume that a mount point names."""
        path = self.home / source
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, self.owner, self.owner)

    def path(self, inside: str) -> Path:
        """The host's path of a file of the guest, its directories made; never through a link of the guest's."""
        full = self.tree / inside.lstrip("/")
        for parent in reversed(full.relative_to(self.tree).parents):
            directory = self.tree / parent
            if directory.is_symlink():
                raise CommandFailed(f"guest {self.vmid}: /{parent} is a link; not writing {inside} through it")
            if not directory.exists():
                directory.mkdir(mode=0o755)
                os.chown(directory, self.owner, self.owner)
        return full

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the guest, whole or not at all; an equal one stays untouched."""
        full = self.path(inside)
        if not full.is_symlink() and full.is_file() and full.read_text(errors="replace") == text:
            return
        draft = full.with_name(f".{full.name}.pve")
        draft.write_text(text)
        draft.chmod(mode)
        os.chown(draft, self.owner, self.owner)
        draft.replace(full)

    def read(self, inside: str) -> str:
        """The text of a regular file of the guest; empty if there is none."""
        full = self.path(inside)
        return full.read_text(errors="replace") if full.is_file() and not full.is_symlink() else ""

    def link(self, inside: str, target: str) -> None:
        """Make a symbolic link in the guest."""
        full = self.path(inside)
        if not full.is_symlink():
            full.symlink_to(target)
            os.lchown(full, self.owner, self.owner)

    def copy_in(self, source: Path, inside: str) -> None:
        """Copy a file of the host into the guest."""
        full = self.path(inside)
        shutil.copy2(source, full)
        os.chown(full, self.owner, self.owner)


def hosts_file(spec: GuestSpec, present: str) -> str:
    """``/etc/hosts`` with Proxmox's block brought up to date and everything else kept."""
    address = next((nic.address.split("/")[0] for nic in spec.nics if nic.address), "127.0.1.1")
    names = f"{spec.name}.{spec.searchdomain} {spec.name}" if spec.searchdomain else spec.name
    block = f"# --- BEGIN PVE ---\n{address} {names}\n# --- END PVE ---\n"
    pattern = r"# --- BEGIN PVE ---\n.*?# --- END PVE ---\n"
    if re.search(pattern, present, re.DOTALL):
        return re.sub(pattern, lambda _: block, present, count=1, flags=re.DOTALL)
    base = present if "localhost" in present else "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    return base.rstrip("\n") + "\n" + block


def resolver_file(spec: GuestSpec, host: str) -> str:
    """``/etc/resolv.conf`` from the configuration, else the host's own."""
    if not spec.nameservers:
        return host
    lines = [f"search {spec.searchdomain}"] if spec.searchdomain else []
    lines += [f"nameserver {server}" for server in spec.nameservers]
    return "\n".join(["# --- BEGIN PVE ---", *lines, "# --- END PVE ---"]) + "\n"
