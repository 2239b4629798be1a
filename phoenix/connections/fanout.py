"""Scripts for many containers of a node, over one SSH channel: the node attaches to them, several at a time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from phoenix.connections.shell import NodeShell, whole
from phoenix.connections.ssh import Completed

WORKERS = 8
ONE = (
    'vmid=${1%=*}; timeout -k 2 "$limit" lxc-attach -n "$vmid" --clear-env -- /bin/sh -s <"$work/${1#*=}" '
    '>"$work/$vmid.out" 2>"$work/$vmid.err"; echo $? >"$work/$vmid.status"'
)


def run_in_containers(node: NodeShell, scripts: Mapping[int, str], limit: float) -> dict[int, Completed]:
    """Run a script in each container, by vmid; a container without an exit status is missing from the result.

    `limit` is in seconds for each container.
    """
    if not scripts:
        return {}
    distinct = {script: f"script.{number}" for number, script in enumerate(dict.fromkeys(scripts.values()))}
    end = f"end-{secrets.token_hex(8)}"
    files = "\n".join(
        f"cat >\"$work/{name}\" <<'{end}'\n{whole(script).decode()}{end}" for script, name in distinct.items()
    )
    words = " ".join(f"{vmid}={distinct[script]}" for vmid, script in scripts.items())
    done = node.run(
        f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin limit={limit:.0f} work=$(mktemp -d /run/phoenix-fanout.XXXXXXXX)\n"
        f"trap 'rm -rf \"$work\"' EXIT\n{files}\n"
        f"printf '%s\\n' {words} | xargs -P {WORKERS} -n 1 sh -c '{ONE}' sh\n"
        f'cd "$work" && awk \'FNR == 1 {{ print "{end} " FILENAME }} {{ print }}\' [0-9]*.*',
        limit * (1 + len(scripts) // WORKERS),
    )
    said: dict[str, str] = {}
    for part in done.out.split(f"{end} ")[1:]:
        name, _, text = part.partition("\n")
        said[name] = text
    return {
        vmid: Completed(int(said[f"{vmid}.status"]), said.get(f"{vmid}.out", ""), said.get(f"{vmid}.err", ""))
        for vmid in scripts
        if f"{vmid}.status" in said
    }
