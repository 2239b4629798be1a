"""The lab's paths on this machine and inside its hypervisor, and the addresses on its network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import phoenix
from phoenix.directories import DEFAULT_LAB, DirectoryError, cache_directory, lab_directory
from phoenix.lab.errors import LabError

CODE = Path(__file__).resolve().parent
PRODUCT = Path(phoenix.__file__).resolve().parent

BUSY = "the end of another `lab.py up` or `down`"
NODE = "phoenix"
BRIDGE = "vmbr0"
HYPERVISOR = "10.0.0.13"
INTERNET = "10.0.0.1"
OPERATOR = "10.0.0.20"
CLIENT = "10.0.0.50"
API_PORT = 8006

# Paths inside the hypervisor.
INSIDE = Path("/var/lib/lab")
INSIDE_CODE = INSIDE / "code"  # the packages lab and phoenix, read-only
INSIDE_SITE = INSIDE / "site"  # Python packages for the API server, read-only
INSIDE_IMAGE = INSIDE / "image"  # the image: guest, guest-shifted, public; read-only
INSIDE_REGISTRY = INSIDE / "registry"  # container images that `internet` serves, read-only
INSIDE_CLIENT = INSIDE / "client"  # the client's root file system
INSIDE_STATE = INSIDE / "state"  # api.crt, api.key, api.json, model.json, workloads.json


@dataclass(frozen=True)
class LabPlaces:
    """The lab's directories on this machine."""

    lab: Path
    cache: Path

    @classmethod
    def of_environment(cls) -> LabPlaces:
        """Return the places that PHOENIX_LAB and PHOENIX_CACHE name, or the defaults; LabError if there is none."""
        try:
            return cls(lab_directory(), cache_directory())
        except DirectoryError as error:
            raise LabError(f"the cache directory cannot be located: {error}") from None

    @property
    def name(self) -> str:
        """The outer container's name; unique per lab directory, so that several labs can run at once."""
        if self.lab == DEFAULT_LAB:
            return "phoenix-lab-pve"
        return f"phoenix-lab-{hashlib.sha256(bytes(self.lab)).hexdigest()[:8]}-pve"

    @property
    def containers(self) -> Path:
        """LXC's directory for the outer container."""
        return self.lab / "outer"

    @property
    def root(self) -> Path:
        """The mount point of the hypervisor's root; mounted only in the hypervisor's mount namespace."""
        return self.lab / "pve" / "merged"

    @property
    def state(self) -> Path:
        """The API server's state; mounted in the hypervisor at INSIDE_STATE."""
        return self.lab / "state"

    @property
    def access(self) -> Path:
        """The access file, with which the controller connects to this lab."""
        return self.lab / "access.yaml"

    @property
    def lock(self) -> Path:
        """The lock file of `up` and `down`; in the cache, because `down` removes the lab's directory."""
        return self.cache / f"{self.name}.lock"

    @property
    def images(self) -> Path:
        """The directory of built images, one per recipe key."""
        return self.cache / "image"
