"""A constant stream of requests from `client`, so that a test can say that none failed while something was done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab import bench

ASK = """
cd $(mktemp -d) || exit 1
end=$(($(date +%s) + {limit}))
for name in {names}; do
  (
    while [ ! -e /run/stream-stop ] && [ "$(date +%s)" -lt $end ]; do
      code=$(curl -sS -o /dev/null -w '%{{http_code}}' --max-time 15 --cacert {root} https://$name/ 2>err-$name)
      status=$?
      case $status-$code in
        0-[123]*|0-401) echo . >>good-$name ;;
        *) echo "$(date +%T) $name: status $status, HTTP $code, $(cat err-$name)" >>bad ;;
      esac
      sleep {pause}
    done
  ) &
done
wait
cat good-* | wc -l
cat bad 2>/dev/null
rm -f /run/stream-stop
rm -rf "$PWD"
"""


@dataclass
class Stream:
    """What became of the requests, once the stream has ended: how many were answered, and a line for each failure."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def stream(*services: str, root: str = bench.CLIENT_ROOT, pause: float = 0.1, limit: int = 280) -> Iterator[Stream]:
    """Ask for all services (every one, unless some are named) again and again, until the block ends."""
    names = " ".join(f"{service}.{bench.ZONE}" for service in services or bench.SERVICES)
    script = ASK.format(names=names, root=root, pause=pause, limit=limit)
    found = Stream()

    def ask() -> None:
        status, output = bench.inside("client", script, limit=limit + 40)
        count, *found.failures = output.strip().splitlines() or ["0"]
        found.answered = int(count) if status == 0 else 0

    bench.said("client", "rm -f /run/stream-stop")
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(1)
    try:
        yield found
    finally:
        bench.said("client", "touch /run/stream-stop")
        thread.join(limit + 40)
