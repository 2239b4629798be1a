"""What containers hold of the anchors, answered and changed by their node for all of them at once; trust_on_node.pl."""

from __future__ import annotations

import re
import shlex
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from phoenix.connections.shell import Shell
from phoenix.converge import Probe
from phoenix.converge.files import SYSTEMD
from phoenix.converge.session import APPLY_SECONDS, OBSERVE_SECONDS
from tasks.converging import BUNDLE_FILE
from tasks.trust_elsewhere import FUNCTIONS
from tasks.trust_readers import READERS, REGISTRATION
from tasks.trust_store import MARK, PROGRAM

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
    settings = (
        f"our @files = ({_list(paths)}); our @listings = ({_list(listings)}); our @others = ({_list(PLACES)});\n"
        f"our @readers = ({readers}); our $named = {_quoted(BUNDLE_FILE)};\n"
        f"our $registration = [{_quoted(REGISTRATION)}, {_quoted(f'{SYSTEMD}/{REGISTRATION}')}];\n"
        f"our $asked = {_quoted(look.subject)};\n"
    )
    names = ",".join(look.command.rpartition(" look ")[2].split()) or "-"
    return _run(node, settings, ("look", names, *map(str, vmids)), OBSERVE_SECONDS)


def change_on_node(node: Shell, texts: Mapping[str, str], words: Mapping[int, Sequence[str]]) -> set[int]:
    """Write files, and settle containers' stores by the words of each; gives those in which all of it was done."""
    listed = ", ".join(f"{_quoted(path)} => {_quoted(text)}" for path, text in texts.items())
    settings = f"our %texts = ({listed}); our $mark = {_quoted(MARK)};\n"
    jobs = (f"{vmid}={','.join(own)}" for vmid, own in words.items())
    return {vmid for vmid, said in _run(node, settings, ("change", *jobs), APPLY_SECONDS).items() if said == "done"}


def _run(node: Shell, settings: str, words: Iterable[str], limit: float) -> dict[int, str]:
    program = f"{settings}our $look = <<'END-OF-LOOK';\n{PROGRAM}END-OF-LOOK\n{ON_NODE}"
    arguments = shlex.join(words)
    script = (
        f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nperl - {arguments} <<'END-OF-PROGRAM'\n{program}END-OF-PROGRAM"
    )
    lines = (line.partition("|") for line in node.run(script, limit).out.splitlines())
    return {int(vmid): b64decode(answer).decode("utf-8", "replace") for vmid, _, answer in lines}


def _list(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
