"""A guest's root file system: an overlay on the shared image, and the files that Proxmox writes into it."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from phoenix.lab.pve.command import CommandError, run
from phoenix.lab.pve.guests.lxc_config import SHIFT
from phoenix.lab.pve.guests.spec import GuestSpec

IMAGES = Path("/var/lib/lab/image")
CONTAINERS = Path("/var/lib/vz/ct")


@dataclass(frozen=True)
class Rootfs:
    """The root file system of one guest, accessed from the hypervisor."""

    vmid: int
    unprivileged: bool

    @property
    def home(self) -> Path:
        """The guest's directory on the host."""
        return CONTAINERS / str(self.vmid)

    @property
    def tree(self) -> Path:
        """The mount point of the guest's root directory on the host."""
        return self.home / "merged"

    @property
    def owner(self) -> int:
        """The host id of the guest's root user."""
        return SHIFT if self.unprivileged else 0

    @property
    def image(self) -> Path:
        """The shared image's tree below the overlay."""
        return IMAGES / ("guest-shifted" if self.unprivileged else "guest")

    def make(self, original: "Rootfs | None" = None) -> None:
        """Create the guest's directories; copy the files of an original if one is given."""
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
        """Mount the overlay if it is not mounted; raise CommandError if the image is missing."""
        if not (self.image / "sbin").exists():
            raise CommandError(f"the guest image {self.image} is missing; run: phoenix lab up")
        if not self.tree.is_mount():
            layers = f"lowerdir={self.image},upperdir={self.home}/upper,workdir={self.home}/work"
            run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.tree))

    def remove(self) -> None:
        """Unmount and delete the guest's directory."""
        if self.tree.is_mount():
            run("umount", "-l", str(self.tree))
        if self.home.exists():
            run("rm", "-rf", "--one-file-system", str(self.home), limit=300)

    def volume(self, source: str) -> None:
        """Create the directory of a volume if it does not exist."""
        path = self.home / source
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, self.owner, self.owner)

    def path(self, inside: str) -> Path:
        """Return a file's path on the host and create its directories; raise CommandError if one is a symbolic link."""
        full = self.tree / inside.lstrip("/")
        for parent in reversed(full.relative_to(self.tree).parents):
            directory = self.tree / parent
            if directory.is_symlink():
                raise CommandError(f"guest {self.vmid}: /{parent} is a link; not writing {inside} through it")
            if not directory.exists():
                directory.mkdir(mode=0o755)
                os.chown(directory, self.owner, self.owner)
        return full

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the guest atomically, unless it already has this text."""
        full = self.path(inside)
        if not full.is_symlink() and full.is_file() and full.read_text(errors="replace") == text:
            return
        draft = full.with_name(f".{full.name}.pve")
        draft.write_text(text)
        draft.chmod(mode)
        os.chown(draft, self.owner, self.owner)
        draft.replace(full)

    def read(self, inside: str) -> str:
        """Return the text of a regular file of the guest; empty if there is none."""
        full = self.path(inside)
        return full.read_text(errors="replace") if full.is_file() and not full.is_symlink() else ""

    def link(self, inside: str, target: str) -> None:
        """Create a symbolic link in the guest if it does not exist."""
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
    """Return ``/etc/hosts`` with Proxmox's block updated and all other lines kept."""
    address = next((nic.address.split("/")[0] for nic in spec.nics if nic.address), "127.0.1.1")
    names = f"{spec.name}.{spec.searchdomain} {spec.name}" if spec.searchdomain else spec.name
    block = f"# --- BEGIN PVE ---\n{address} {names}\n# --- END PVE ---\n"
    pattern = r"# --- BEGIN PVE ---\n.*?# --- END PVE ---\n"
    if re.search(pattern, present, re.DOTALL):
        return re.sub(pattern, lambda _: block, present, count=1, flags=re.DOTALL)
    base = present if "localhost" in present else "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    return base.rstrip("\n") + "\n" + block


def resolver_file(spec: GuestSpec, host: str) -> str:
    """Return ``/etc/resolv.conf`` from the guest's configuration, or the host's own if it names no servers."""
    if not spec.nameservers:
        return host
    lines = [f"search {spec.searchdomain}"] if spec.searchdomain else []
    lines += [f"nameserver {server}" for server in spec.nameservers]
    return "\n".join(["# --- BEGIN PVE ---", *lines, "# --- END PVE ---"]) + "\n"
