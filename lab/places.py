"""Where everything of the lab lies: on the machine, inside its hypervisor, and on its network."""

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

# Inside the hypervisor.
INSIDE = Path("/var/lib/lab")
INSIDE_CODE = INSIDE / "code"  # this package and the product's, read-only
INSIDE_SITE = INSIDE / "site"  # what the API server imports, read-only
INSIDE_IMAGE = INSIDE / "image"  # the image: guest, guest-shifted, public; read-only
INSIDE_REGISTRY = INSIDE / "registry"  # container images that `internet` serves, read-only
INSIDE_CLIENT = INSIDE / "client"  # the client's own root file system
INSIDE_STATE = INSIDE / "state"  # api.crt, api.key, api.json, model.json, workloads.json


@dataclass(frozen=True)
class Places:
    """The lab's directories on this machine."""

    lab: Path
    cache: Path

    @classmethod
    def of_environment(cls) -> Places:
        """The places that PHOENIX_LAB and PHOENIX_CACHE name, or the usual ones."""
        try:
            return cls(lab_directory(), cache_directory())
        except DirectoryError as error:
            raise LabError(f"the cache directory cannot be located: {error}") from None

    @property
    def name(self) -> str:
        """The outer container's name; a lab that lies elsewhere has another, so that two can run at once."""
        if self.lab == DEFAULT_LAB:
            return "phoenix-lab-pve"
        return f"phoenix-lab-{hashlib.sha256(bytes(self.lab)).hexdigest()[:8]}-pve"

    @property
    def containers(self) -> Path:
        """LXC's directory for the outer container."""
        return self.lab / "outer"

    @property
    def root(self) -> Path:
        """Where the hypervisor's root is mounted, in its own mount namespace only."""
        return self.lab / "pve" / "merged"

    @property
    def state(self) -> Path:
        """What the API server keeps, seen inside as INSIDE_STATE."""
        return self.lab / "state"

    @property
    def access(self) -> Path:
        """The access file: how the controller reaches this lab."""
        return self.lab / "access.yaml"

    @property
    def lock(self) -> Path:
        """The lock of `up` and `down`; in the cache, because it outlives the lab's directory."""
        return self.cache / f"{self.name}.lock"

    @property
    def images(self) -> Path:
        """Built images, by the key of their recipe."""
        return self.cache / "image"
