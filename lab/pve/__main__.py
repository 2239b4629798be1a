"""Start the lab's hypervisor API: ``python3 -m phoenix.lab.pve [STATE_DIRECTORY]``."""

import argparse
import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from phoenix.lab.pve.api.server import LabPve


async def serve(directory: Path, host: str, port: int) -> None:
    """Run the server until SIGTERM or SIGINT; the guests keep running."""
    job = asyncio.ensure_future(LabPve(directory, host, port).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, job.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await job


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python3 -m phoenix.lab.pve", description=__doc__)
    parser.add_argument(
        "state",
        type=Path,
        nargs="?",
        default=Path("/var/lib/lab/state"),
        help="directory with api.json, api.crt and api.key; the model is saved there (default: %(default)s)",
    )
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - the lab's own namespace
    parser.add_argument("--port", type=int, default=8006)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    missing = [name for name in ("api.json", "api.crt", "api.key") if not (arguments.state / name).is_file()]
    if missing:
        parser.error(f"{arguments.state} lacks {', '.join(missing)}; `lab.py up` writes them on the lab's host")
    asyncio.run(serve(arguments.state, arguments.host, arguments.port))


if __name__ == "__main__":
    main()
