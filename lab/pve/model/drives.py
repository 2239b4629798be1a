"""Drives of VMs that fakepve does not know: imported disks and cloud-init drives."""

import re
import time
from typing import Any

from phoenix.lab.pve.fake import PveError
from phoenix.lab.pve.model.base import PveModel
from phoenix.lab.pve.model.sizes import format_size

_CLOUD_INIT_SIZE = 4 * 1024**2
_CLOUD_INIT = re.compile(r"([\w-]+):(?:\d+/)?vm-\d+-cloudinit(?:\.\w+)?,media=cdrom")


class Drives(PveModel):
    """Allocates and copies them."""

    def _qm_check_drive(  # noqa: PLR0917 - fakepve's signature
        self, user: str, vmid: int, pool: Any, key: str, value: str, default: Any
    ) -> None:
        plain, source = _without_import(value)
        if source and self._source(source) is None:
            raise PveError(500, f"volume '{source}' does not exist")
        super()._qm_check_drive(user, vmid, pool, key, plain, default)

    def _qm_new_drive(self, vmid: int, key: str, value: str, default: Any) -> tuple[str, list[str]]:
        storage, _, volume = value.partition(",")[0].partition(":")
        if volume == "cloudinit":
            volid = self._cloud_init_volume(storage, vmid)
            return f"{volid},media=cdrom", [volid]
        plain, source = _without_import(value)
        if source and self._is_directory(storage):
            plain = f"{plain},format={self._source(source)['format']}"
        drive, volumes = super()._qm_new_drive(vmid, key, plain, default)
        if source:
            size = int(self._source(source)["size"])
            drive = re.sub(r"size=[^,]*", f"size={format_size(size)}", drive)
            self._qm_volume(volumes[0])["size"] = size
        return drive, volumes

    def own_cloud_init_drive(self, vm: Any) -> None:
        """Give a clone a cloud-init drive of its own."""
        for key, value in vm.config.items():
            if drive := _CLOUD_INIT.match(str(value)):
                size = format_size(_CLOUD_INIT_SIZE)
                vm.config[key] = f"{self._cloud_init_volume(drive[1], vm.vmid)},media=cdrom,size={size}"

    def free_drives(self, vm: Any) -> None:
        """Delete the volumes of a VM whose creation failed."""
        for storage in self.storages.values():
            names = [name for name, volume in storage.get("volumes", {}).items() if volume.get("vmid") == vm.vmid]
            for name in names:
                del storage["volumes"][name]

    def _cloud_init_volume(self, storage: str, vmid: int) -> str:
        is_directory = self._is_directory(storage)
        form = "qcow2" if is_directory else "raw"
        name = f"{vmid}/vm-{vmid}-cloudinit.{form}" if is_directory else f"vm-{vmid}-cloudinit"
        volume = {
            "content": "images",
            "format": form,
            "size": _CLOUD_INIT_SIZE,
            "vmid": vmid,
            "ctime": int(time.time()),
        }
        self.storages[storage]["volumes"][name] = volume
        return f"{storage}:{name}"

    def _is_directory(self, storage: str) -> bool:
        return bool(self.storages[storage]["type"] == "dir")

    def _source(self, volid: str) -> Any:
        """Return the volume to import from, even if its storage does not list volumes of this content; None if none."""
        storage, _, name = volid.partition(":")
        return self._volumes(storage).get(name) if storage in self.storages else None


def _without_import(value: str) -> tuple[str, str]:
    """Return a drive's value without ``import-from``, and the volume to import from (empty if none)."""
    parts = str(value).split(",")
    source = next((part.partition("=")[2] for part in parts if part.startswith("import-from=")), "")
    return ",".join(part for part in parts if not part.startswith("import-from=")), source
