"""Show which host may connect to which: `phoenix flows [--inventory DIR] [--format FORMAT] [--output FILE]`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import refuse
from phoenix.cli.process import run_command
from phoenix.cli.request import GOOD

if TYPE_CHECKING:
    from phoenix.estate import Estate
    from phoenix.estate.key_locations import Sources

CLOSED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Show which host may connect to which, each flow with the line of the inventory that permits it; asks no host.

    A question's answer is that of the model of Proxmox's firewall, with the rules that are derived: status 0 means
    open, 1 closed, 2 that the question is wrong. A replay gives 0 only if the model differs in no packet.
    """
    given = _parse(arguments)
    if given.replay:
        return _replay(given.replay)

    from phoenix.cli.reading import read_inventory

    estate, sources = read_inventory(given.inventory)
    if given.why or given.who_can:
        return _answer(given, estate, sources)
    _write(_formats()[given.format or "table"](estate, sources), given.output)
    return GOOD


def _formats() -> Mapping[str, Callable[[Estate, Sources], str]]:
    from phoenix.derive.flows import flows
    from phoenix.report.flows import as_json, as_table
    from phoenix.report.picture.mermaid import as_mermaid
    from phoenix.report.picture.svg import as_svg

    return {
        "table": lambda estate, sources: as_table(flows(estate), sources),
        "json": lambda estate, sources: as_json(flows(estate), sources),
        "mermaid": lambda estate, _: as_mermaid(estate),
        "svg": as_svg,
    }


def _answer(given: Namespace, estate: Estate, sources: Sources) -> int:
    from phoenix.pve.firewall.model.from_estate import firewall_from_estate
    from phoenix.pve.firewall.query.endpoints import QuestionError, parse_destination, parse_endpoint, parse_traffic
    from phoenix.pve.firewall.query.questions import Questions
    from phoenix.report import firewall_answers

    try:
        questions = Questions(estate, firewall_from_estate(estate))
        *ends, port = given.why or given.who_can
        source = parse_endpoint(estate, ends[0]) if given.why else None
        asked, dest = parse_traffic(port), parse_destination(estate, ends[-1], source)
        if source:
            found = questions.why(source, dest, asked)
            print(firewall_answers.why(found, asked, estate, sources), end="")
        else:
            found = questions.who_can(dest, asked)
            print(firewall_answers.who_can(found, dest, asked, estate, sources), end="")
    except QuestionError as error:
        refuse(str(error))
    return GOOD if found and all(answer.is_open for answer in found) else CLOSED


def _replay(file: Path) -> int:
    from phoenix.pve.firewall.replay.compare import replay
    from phoenix.pve.firewall.replay.recorded import RecordingError, read_cases

    count = differing = 0
    try:
        for one in replay(read_cases(file.read_bytes())):
            count += 1
            differing += one.differs
            if one.differs:
                print(one)
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror}")
    except RecordingError as error:
        refuse(f"{file}: {error}")
    print(f"{count} packets, {differing} differ")
    return CLOSED if differing else GOOD


def _write(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        refuse(f"{output} cannot be written: {error.strerror}")


def _parse(arguments: Sequence[str] | None) -> Namespace:
    made = parser()
    given = made.parse_args(arguments)
    if (given.format or given.output) and (given.why or given.who_can or given.replay):
        made.error("--format and --output are for the list of flows: omit them, or omit the question")
    if given.inventory and given.replay:
        made.error("--replay needs no --inventory: what it judges stands in its file")
    return given


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("flows", description=main.__doc__)
    made.common("--inventory")
    made.add_argument("--format", choices=("table", "json", "mermaid", "svg"), help="Output format (default: table).")
    made.add_argument("--output", metavar="FILE", type=Path, help="Write to this file.")
    asked = made.add_mutually_exclusive_group()
    ends = "a host, a service or another DNS name, an address, outside, lan or management"
    asked.add_argument(
        "--why",
        nargs=3,
        metavar=("SOURCE", "DEST", "PORT"),
        help=f"Show which rules decide. An end is {ends}; a port 443, 53/udp or icmp.",
    )
    asked.add_argument(
        "--who-can", nargs=2, metavar=("DEST", "PORT"), help="Show which endpoints can open a connection there."
    )
    asked.add_argument("--replay", metavar="FILE", type=Path, help="Compare recorded packets with the model.")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
