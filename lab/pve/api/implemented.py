"""The endpoints that the lab implements with real effects; the API answers 501 to all others."""

_NODE = "/nodes/{node}"
_READ_WRITE = ("GET", "PUT")
_ALL = ("GET", "POST", "PUT", "DELETE")

_GUEST = {
    "": ("DELETE",),
    "/clone": ("POST",),
    "/config": _READ_WRITE,
    "/pending": ("GET",),
    "/resize": ("PUT",),
    "/status/current": ("GET",),
    "/status/reboot": ("POST",),
    "/status/shutdown": ("POST",),
    "/status/start": ("POST",),
    "/status/stop": ("POST",),
    "/template": ("POST",),
}
_VM_ONLY = {
    "/agent/exec": ("POST",),
    "/agent/exec-status": ("GET",),
    "/agent/file-read": ("GET",),
    "/agent/file-write": ("POST",),
    "/agent/get-host-name": ("GET",),
    "/agent/network-get-interfaces": ("GET",),
    "/agent/ping": ("POST",),
    "/cloudinit": ("PUT",),
    "/config": (*_READ_WRITE, "POST"),
}
_RULES = {"/options": _READ_WRITE, "/rules": ("GET", "POST"), "/rules/{pos}": ("GET", "PUT", "DELETE")}
_NAMES = {
    "/aliases": ("GET", "POST"),
    "/aliases/{name}": ("GET", "PUT", "DELETE"),
    "/ipset": ("GET", "POST"),
    "/ipset/{name}": ("GET", "POST", "DELETE"),
    "/ipset/{name}/{cidr}": ("GET", "PUT", "DELETE"),
    "/refs": ("GET",),
}
_GROUPS = {
    "/groups": ("GET", "POST"),
    "/groups/{group}": ("GET", "POST", "DELETE"),
    "/groups/{group}/{pos}": ("GET", "PUT", "DELETE"),
    "/macros": ("GET",),
}
_TREE: dict[str, dict[str, tuple[str, ...]]] = {
    "/access": {"/permissions": ("GET",), "/ticket": ("POST",)},
    "/cluster": {"/nextid": ("GET",), "/resources": ("GET",)},
    "/cluster/firewall": _RULES | _NAMES | _GROUPS,
    "/nodes": {"": ("GET",)},
    _NODE: {
        "/certificates/custom": ("POST", "DELETE"),
        "/certificates/info": ("GET",),
        "/dns": _READ_WRITE,
        "/lxc": ("GET", "POST"),
        "/qemu": ("GET", "POST"),
        "/status": ("GET",),
        "/storage": ("GET",),
        "/tasks": ("GET",),
    },
    f"{_NODE}/firewall": _RULES,
    f"{_NODE}/lxc/{{vmid}}": _GUEST | {"/interfaces": ("GET",)},
    f"{_NODE}/lxc/{{vmid}}/firewall": _RULES | _NAMES,
    f"{_NODE}/qemu/{{vmid}}": _GUEST | _VM_ONLY,
    f"{_NODE}/qemu/{{vmid}}/firewall": _RULES | _NAMES,
    f"{_NODE}/storage/{{storage}}": {"/content": ("GET",), "/status": ("GET",)},
    f"{_NODE}/tasks/{{upid}}": {"/log": ("GET",), "/status": ("GET",)},
    "/storage": {"": ("GET",), "/{storage}": ("GET",)},
    "/version": {"": ("GET",)},
}

IMPLEMENTED = frozenset(
    (method, base + suffix)
    for base, entries in _TREE.items()
    for suffix, methods in entries.items()
    for method in methods
)
"""Method and path template (of the API schema) of every implemented endpoint."""

UNSUPPORTED_PARAMETERS = frozenset({"cipassword", "password", "hookscript", "archive", "restore", "snapname", "target"})
"""Parameters of guest writes that would have no effect; the API answers 501 to them."""
