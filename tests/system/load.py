"""Sends a constant stream of requests from a machine of the lab, for tests of changes that must not fail any."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.places import ROOT
from tests.system import bench

EVERY_SERVICE = tuple(f"https://{name}.{bench.ZONE}{page}" for name, page in bench.PAGES.items())
WORKER = """
end=$(($(date +%s) + {longest})); done=0
while [ -e {mark} ] && [ $(date +%s) -lt $end ]; do
  answer=$(curl -sS --max-time 40 --cacert {anchors} -o /dev/null -w 'status %{{http_code}}' {request} 2>&1)
  status=$?; done=$((done + 1))
  sleep {pause}
  [ "$status $answer" = '0 status 200' ] || echo "failed|$(date +%T) {request}: $status $answer" | tr '\\n' ' '
done
echo "done|$done"
"""


@dataclass
class Load:
    """The result of a stream of requests, complete after its block."""

    done: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def load(
    host: str, *requests: str, anchors: str = bench.CLIENT_ROOT, pause: float = 0, longest: int = 150
) -> Iterator[Load]:
    """Repeat each request (curl's arguments) during the block, one at a time; times are in seconds."""
    mark, seen = f"/run/load-{uuid.uuid4().hex}", Load()
    values = {"longest": longest, "mark": mark, "anchors": anchors, "pause": pause}
    workers = (WORKER.format(request=request, **values) for request in requests)
    script = f"touch {mark}\n" + "\n".join(f"({worker}) &" for worker in workers) + "\nwait"
    command = (sys.executable, "runbooks/lab.py", "exec", host, "--", "sh", "-c", script)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield seen
        finally:
            bench.sh(host, f"rm -f {mark}")
            output = process.communicate(timeout=60)[0].decode("utf-8", "replace")
    for part in output.replace("failed|", "\nfailed|").replace("done|", "\ndone|").splitlines():
        kind, _, value = part.partition("|")
        if kind == "done":
            seen.done += int(value)
        elif part.strip():
            seen.failures.append(part)
