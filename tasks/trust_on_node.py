"""What containers hold of the anchors, answered by their node for all of them at once; see trust_on_node.pl."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from importlib.resources import files

from phoenix.connections.shell import Shell
from phoenix.converge import Probe
from phoenix.converge.files import SYSTEMD
from phoenix.converge.session import OBSERVE_SECONDS
from tasks.converging import BUNDLE_FILE
from tasks.trust_elsewhere import FUNCTIONS
from tasks.trust_readers import READERS, REGISTRATION
from tasks.trust_store import PROGRAM

ON_NODE = files("phoenix.converge").joinpath("trust_on_node.pl").read_text("utf-8")
PLACES = tuple(
    path for places in re.findall(r"for f in ([^;]*);", FUNCTIONS) for path in places.replace("\\\n", " ").split()
)
"""Where other stores are looked for."""


def ask_node(node: Shell, probes: frozenset[Probe], vmids: Sequence[int]) -> dict[int, str]:
    """The answers to one set of probes, by the ids of the containers for which the node can give them."""
    look = next(probe for probe in probes if probe.subject.startswith("system store"))
    paths = sorted({probe.subject for probe in probes if probe.kind in ("stat", "content")})
    listings = sorted({probe.subject for probe in probes if probe.kind == "listing"})
    readers = ", ".join(f"[{_quoted(r.unit)}, {_quoted(r.named_in)}]" for r in READERS if r.unit != REGISTRATION)
    program = (
        f"our @files = ({_list(paths)}); our @listings = ({_list(listings)}); our @others = ({_list(PLACES)});\n"
        f"our @readers = ({readers}); our $named = {_quoted(BUNDLE_FILE)};\n"
        f"our $registration = [{_quoted(REGISTRATION)}, {_quoted(f'{SYSTEMD}/{REGISTRATION}')}];\n"
        f"our $asked = {_quoted(look.subject)};\n"
        f"our $look = <<'END-OF-LOOK';\n{PROGRAM}END-OF-LOOK\n{ON_NODE}"
    )
    words = " ".join((",".join(look.command.rpartition(" look ")[2].split()) or "-", *map(str, vmids)))
    script = f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nperl - {words} <<'END-OF-PROGRAM'\n{program}END-OF-PROGRAM"
    lines = (line.partition("|") for line in node.run(script, OBSERVE_SECONDS).out.splitlines())
    return {int(vmid): b64decode(answer).decode("utf-8", "replace") for vmid, _, answer in lines}


def _list(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
