"""Deploy the estate, or a part of it: `python runbooks/deploy.py [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import ask, interruptible, refuse
from phoenix.derive.authority import exported_root
from phoenix.estate import Estate
from phoenix.run import Stage
from phoenix.run.record import RunRecord
from phoenix.tasks.proof.routes import answering
from phoenix.tasks.stages import deployment


def deploy() -> int:
    """Bring hypervisor, guests, authority, trust, certificates, services and firewall to what the inventory says."""
    given = _given()
    chain = partial(_resetting, asked=not (given.yes or given.dry_run)) if given.reset_ca else deployment
    return execute(options(given), chain, partial(_closing, lab=given.lab))


def _given() -> Namespace:
    parser = Arguments(description=deploy.__doc__)
    parser.flag("--lab", "Deploy to the embedded lab.")
    parser.common("--inventory", "--target", "--dry-run", "--diff", "--json")
    parser.flag("--reset-ca", "Give up the authority, and make another one.")
    parser.flag("--yes", "Do not ask whether the reset is meant.")
    parser.common("--workers")
    given = parser.parse_args()
    if given.reset_ca and given.targets:
        parser.error("a reset concerns every host: leave out --target")
    return given


def _resetting(estate: Estate, *, asked: bool) -> tuple[Stage, ...]:
    """The deployment with a reset, which the operator must want by name."""
    warning = f"This makes a new root for {estate.zone}; whoever trusts the present one must be given the new one."
    if asked and ask(f"{warning} Type the zone to go on") != estate.zone:
        refuse("That is not the zone. Nothing was touched.")
    return deployment(estate, reset=True)


def _closing(estate: Estate, record: RunRecord, *, lab: bool) -> Iterator[str]:
    if not record.did("prove_routes"):
        return
    urls = answering(estate)
    yield "These names answer:"
    yield from (f"  {url}" for url in urls)
    root = exported_root(estate)
    if lab and urls:
        yield "Try one, from a machine outside the estate that has nothing but the root:"
        python = "python" if "VIRTUAL_ENV" in os.environ else ".venv/bin/python"
        give = f"{python} runbooks/lab.py exec pve -- cat {root}"
        yield f"  {give} | {python} runbooks/lab.py exec client -- curl -sS --cacert /dev/stdin {urls[0]}"
    else:
        yield f"Machines that are to use them need the root: {root} on {estate.hypervisors[0].name}"


if __name__ == "__main__":
    sys.exit(interruptible(deploy))
