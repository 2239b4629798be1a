"""Containers' trust stores, read and changed from their node for all of them at once, by on_node.pl."""

from __future__ import annotations

import shlex
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain

from phoenix.connections.shell import Shell
from phoenix.conventions import BUNDLE, LOCK, REGISTRATION_UNIT, SYSTEMD
from phoenix.converge import Probe
from phoenix.converge.host_session import APPLY_SECONDS, OBSERVE_SECONDS
from phoenix.tasks.trust.other_stores import PLACES
from phoenix.tasks.trust.readers import READERS
from phoenix.tasks.trust.system_store import MARK, PROGRAM, SystemStore

ON_NODE = files("phoenix.tasks.trust").joinpath("on_node.pl").read_text("utf-8")


@dataclass(frozen=True)
class TrustProbes:
    """Probes about trust of one container, and the system store that it should have."""

    probes: frozenset[Probe]
    store: SystemStore


def ask_node(node: Shell, asked: Mapping[int, TrustProbes]) -> dict[int, str]:
    """Answer each container's questions from the node; a container that needs a shell is left out."""
    groups = {group: number for number, group in enumerate(dict.fromkeys(asked.values()))}
    readers = ", ".join(f"[{_quoted(r.unit)}, {_quoted(r.named_in)}]" for r in READERS if r.unit != REGISTRATION_UNIT)
    settings = (
        f"our @groups = ({', '.join(map(_group, groups))}); our @others = ({_list(chain(*PLACES.values()))});\n"
        f"our @readers = ({readers}); our $named = {_quoted(BUNDLE)};\n"
        f"our $registration = [{_quoted(REGISTRATION_UNIT)}, {_quoted(f'{SYSTEMD}/{REGISTRATION_UNIT}')}];\n"
    )
    jobs = (f"{vmid}={groups[group]}" for vmid, group in asked.items())
    return _run(node, settings, ("look", *jobs), OBSERVE_SECONDS)


def change_on_node(node: Shell, texts: Mapping[str, str], words: Mapping[int, Sequence[str]]) -> set[int]:
    """Write files and update containers' stores; give the ids of the containers that succeeded."""
    listed = ", ".join(f"{_quoted(path)} => {_quoted(text)}" for path, text in texts.items())
    settings = f"our %texts = ({listed}); our $mark = {_quoted(MARK)}; our $lock_file = {_quoted(LOCK)};\n"
    jobs = (f"{vmid}={','.join(own)}" for vmid, own in words.items())
    done = _run(node, settings, ("change", *jobs), APPLY_SECONDS, politely=True)
    return {vmid for vmid, said in done.items() if said == "done"}


def _group(group: TrustProbes) -> str:
    """Format one set of questions as Perl."""
    paths = sorted({probe.subject for probe in group.probes if probe.kind in ("stat", "content")})
    listings = sorted({probe.subject for probe in group.probes if probe.kind == "listing"})
    lists = {"files": paths, "listings": listings, "names": group.store.names}
    words = ", ".join(f"{key} => [{_list(values)}]" for key, values in lists.items())
    return f"{{ {words}, asked => {_quoted(group.store.subject)} }}"


def _run(node: Shell, settings: str, words: Iterable[str], limit: float, *, politely: bool = False) -> dict[int, str]:
    """Run the program; `politely` with low priority, so that restarts for which requests wait come first."""
    program = f"{settings}our $store_program = <<'END-OF-STORE';\n{PROGRAM}END-OF-STORE\n{ON_NODE}"
    script = (
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"{'nice -n 10 ' if politely else ''}perl - {shlex.join(words)} <<'END-OF-PROGRAM'\n{program}END-OF-PROGRAM"
    )
    lines = (line.partition("|") for line in node.run(script, limit).out.splitlines())
    return {int(vmid): b64decode(answer).decode("utf-8", "replace") for vmid, _, answer in lines}


def _list(words: Iterable[str]) -> str:
    return ", ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
