"""The node's storages and their initial volumes."""

from typing import Any

_GIB = 1024**3

CONTAINER_TEMPLATE = "vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
"""Has the name of Ubuntu's template, which the example inventory uses; in the lab it is a Debian 12 tree."""
CLOUD_IMAGE = "import/noble-server-cloudimg-amd64.qcow2"
"""The same tree for VMs."""


def storages() -> dict[str, dict[str, Any]]:
    """Return the model's storages; the pools' sizes are the estate's quotas, not the lab's disk."""
    return {
        "local": {
            "type": "dir",
            "active": 1,
            "content": "iso,vztmpl,import,snippets",
            "path": "/var/lib/vz",
            "files": set(),
            "total": 100 * _GIB,
            "volumes": {
                CONTAINER_TEMPLATE: _file("vztmpl", "tzst", 130 * 1024**2),
                CLOUD_IMAGE: _file("import", "qcow2", 3584 * 1024**2),
            },
        },
        "quickOS-lxc-disks": _pool("quickOS/lxc-disks", "images,rootdir", 600),
        "quickOS-vm-disks": _pool("quickOS/vm-disks", "images", 800),
    }


def _file(content: str, form: str, size: int) -> dict[str, Any]:
    return {"content": content, "format": form, "size": size, "ctime": 0}


def _pool(dataset: str, content: str, gib: int) -> dict[str, Any]:
    return {
        "type": "zfspool",
        "active": 1,
        "content": content,
        "pool": dataset,
        "files": set(),
        "total": gib * _GIB,
        "volumes": {},
    }
