"""Keeps connections of the client open while a test changes something: a WebSocket, a gRPC stream and gRPC calls."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.places import ROOT
from tests.system import bench

PROGRAM = """
import asyncio, json, os, ssl, sys, threading, time
import grpc, websockets
mark, longest, zone, anchors = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]
end = time.monotonic() + longest
seen = {"websocket": 0, "calls": 0, "streams": 0}
failures = []
def going():
    return os.path.exists(mark) and time.monotonic() < end
def fail(kind, error):
    failures.append(f"{time.strftime('%T')} {kind}: {error!r}"[:300])
async def talk():
    context = ssl.create_default_context(cafile=anchors)
    async with websockets.connect(f"wss://thinkheads-ai.{zone}/ws", ssl=context, ping_interval=None) as socket:
        while going():
            await socket.send(str(seen["websocket"]))
            if await asyncio.wait_for(socket.recv(), 40) != str(seen["websocket"]):
                fail("websocket", "another answer")
            seen["websocket"] += 1
            await asyncio.sleep(0.05)
def same(value):
    return value
def channel():
    root = grpc.ssl_channel_credentials(open(anchors, "rb").read())
    return grpc.secure_channel(f"qdrant-grpc.{zone}:443", root, [("grpc.use_local_subchannel_pool", 1)])
def watch():
    with channel() as opened:
        stream = opened.unary_stream("/grpc.health.v1.Health/Watch", same, same)(b"")
        if next(stream) == b"\\x08\\x01":
            seen["streams"] += 1
        threading.Thread(target=lambda: (wait(), stream.cancel()), daemon=True).start()
        try:
            next(stream)
        except StopIteration:
            fail("stream", "ended")
        except grpc.RpcError as error:
            if going() or error.code() != grpc.StatusCode.CANCELLED:
                fail("stream", error.code().name + " " + error.details())
def wait():
    while going():
        time.sleep(0.05)
def calls():
    with channel() as opened:
        call = opened.unary_unary("/qdrant.Qdrant/HealthCheck", same, same)
        while going():
            try:
                if b"qdrant" in call(b"", timeout=40):
                    seen["calls"] += 1
            except grpc.RpcError as error:
                fail("call", error.code().name + " " + error.details())
            time.sleep(0.02)
def guarded(kind, work):
    try:
        work()
    except Exception as error:
        fail(kind, error)
kinds = {"websocket": lambda: asyncio.run(talk()), "stream": watch, "call": calls}
threads = [threading.Thread(target=guarded, args=one) for one in kinds.items()]
[one.start() for one in threads]
while not (seen["websocket"] and seen["calls"] and seen["streams"]) and going() and not failures:
    time.sleep(0.02)
print("ready", flush=True)
[one.join() for one in threads]
print(json.dumps([seen, failures]))
"""


@dataclass
class Live:
    """The result, complete after the block: how often each connection was used, and the failures."""

    used: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@contextmanager
def live(longest: int = 200) -> Iterator[Live]:
    """Hold the connections from the client through the gateway during the block; all are open when it starts."""
    mark, seen = f"/run/live-{uuid.uuid4().hex}", Live()
    words = f"{mark} {longest} {bench.ZONE} {bench.CLIENT_ROOT}"
    script = f"touch {mark}; cat >{mark}.py; exec python3 {mark}.py {words}"
    command = (sys.executable, "runbooks/lab.py", "exec", "client", "--", "sh", "-c", script)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PROGRAM.encode())
        process.stdin.close()
        try:
            assert process.stdout.readline() == b"ready\n"
            yield seen
        finally:
            bench.sh("client", f"rm -f {mark}")
            output = process.stdout.read().decode("utf-8", "replace")
            process.wait(timeout=60)
    seen.used, seen.failures = json.loads(output.splitlines()[-1])
