"""Bind-mounts a directory into a running guest (``PID SOURCE TARGET OWNER ro|rw``) or unmounts it (``PID - TARGET``).

It is a separate program, because a process cannot safely return from another mount namespace. It clones the source's
mount (open_tree(2)), enters the guest, and attaches the clone there (move_mount(2)).
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_CLONE_TREE, _CLOEXEC = 1, 0x80000
_MOVE_FROM_EMPTY_PATH = 4
_NEW_MOUNT_NAMESPACE = 0x20000
_READ_ONLY = 1
_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _enter(pid: str) -> None:
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    root = os.open(f"/proc/{pid}/root", os.O_PATH)
    _checked(_libc.setns(namespace, _NEW_MOUNT_NAMESPACE), "enter the guest")
    os.fchdir(root)
    os.chroot(".")
    os.chdir("/")


def _make_directories(path: str, owner: int) -> None:
    for directory in (*reversed(Path(path).parents), Path(path)):
        if not directory.is_dir():
            directory.mkdir(mode=0o755)
            os.chown(directory, owner, owner)


def attach(pid: str, source: str, target: str, owner: int, *, read_only: bool) -> None:
    """Bind ``source`` of this namespace to ``target`` in the guest whose init is ``pid``; raise OSError on failure."""
    flags = _CLONE_TREE | _CLOEXEC | _AT_RECURSIVE
    tree = _checked(_libc.syscall(_OPEN_TREE, _AT_FDCWD, source.encode(), flags), f"open {source}")
    if read_only:
        wanted = _MountAttributes(attr_set=_READ_ONLY)
        size = ctypes.sizeof(wanted)
        done = _libc.syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(wanted), size)
        _checked(done, "make read-only")
    _enter(pid)
    _make_directories(target, owner)
    moved = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_FROM_EMPTY_PATH)
    _checked(moved, f"mount on {target}")


def detach(pid: str, target: str) -> None:
    """Unmount ``target`` in the guest lazily: processes keep their open files."""
    _enter(pid)
    _checked(_libc.umount2(target.encode(), _DETACH), f"unmount {target}")
    with contextlib.suppress(OSError):
        Path(target).rmdir()  # an empty directory would look like an empty export


if __name__ == "__main__":
    if sys.argv[2] == "-":
        detach(sys.argv[1], sys.argv[3])
    else:
        attach(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), read_only=sys.argv[5] == "ro")
