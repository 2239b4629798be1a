"""A constant stream of requests from machines of the lab, for tests of what must happen without one failing."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab import bench

LONGEST = 150
WORKER = """
end=$(($(date +%s) + {longest})); done=0
while [ -e {mark} ] && [ $(date +%s) -lt $end ]; do
  said=$(curl -sS --max-time 40 --cacert {anchors} -o /dev/null -w 'status %{{http_code}}' {request} 2>&1)
  status=$?; done=$((done + 1))
  [ "$status $said" = '0 status 200' ] || echo "failed|$(date +%T) {request}: $status $said" | tr '\\n' ' '
done
echo "done|$done"
"""


@dataclass
class Load:
    """What a stream of requests came to, known when its block has ended."""

    done: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def load(host: str, *requests: str, anchors: str = bench.CLIENT_ROOT) -> Iterator[Load]:
    """Repeat each request (curl's arguments) without pause, one at a time, while the block runs."""
    mark, seen = f"/run/load-{uuid.uuid4().hex}", Load()
    workers = (WORKER.format(longest=LONGEST, mark=mark, anchors=anchors, request=request) for request in requests)
    script = f"touch {mark}\n" + "\n".join(f"({worker}) &" for worker in workers) + "\nwait"
    command = (sys.executable, "runbooks/lab.py", "exec", host, "--", "sh", "-c", script)
    with subprocess.Popen(command, cwd=bench.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield seen
        finally:
            bench.said(host, f"rm -f {mark}")
            output = process.communicate(timeout=60)[0].decode("utf-8", "replace")
    for part in output.replace("failed|", "\nfailed|").replace("done|", "\ndone|").splitlines():
        kind, _, value = part.partition("|")
        if kind == "done":
            seen.done += int(value)
        elif part.strip():
            seen.failures.append(part)
