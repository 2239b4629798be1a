"""Scripts for many containers of a node, over one SSH channel: the node attaches to them, several at a time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from phoenix.connections.shell import NodeShell, wrap_script
from phoenix.connections.ssh import Completed
from phoenix.templating import program, shell_program

WORKERS = 8


def run_in_containers(node: NodeShell, scripts: Mapping[int, str], limit: float) -> dict[int, Completed]:
    """Run a script in each container, by vmid; a container without an exit status is missing from the result.

    `limit` is in seconds for each container.
    """
    if not scripts:
        return {}
    distinct = {script: f"script.{number}" for number, script in enumerate(dict.fromkeys(scripts.values()))}
    mark = f"end-{secrets.token_hex(8)}"
    fanout = shell_program(
        "connections/fanout.sh",
        scripts="".join(f"{mark} {name}\n{wrap_script(script).decode()}" for script, name in distinct.items()),
        jobs=(f"{vmid}={distinct[script]}" for vmid, script in scripts.items()),
        mark=mark,
        limit=f"{limit:.0f}",
        workers=WORKERS,
        program=program("connections/attach.sh"),
    )
    done = node.run(fanout, limit * (1 + len(scripts) // WORKERS))
    files: dict[str, str] = {}
    for part in done.out.split(f"{mark} ")[1:]:
        name, _, text = part.partition("\n")
        files[name] = text
    return {
        vmid: Completed(int(files[f"{vmid}.status"]), files.get(f"{vmid}.out", ""), files.get(f"{vmid}.err", ""))
        for vmid in scripts
        if f"{vmid}.status" in files
    }
