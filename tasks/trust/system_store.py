"""The system store of Debian's ca-certificates: our anchors in it, and none that were withdrawn."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from phoenix.conventions import ANCHOR, UNFINISHED
from phoenix.converge import Change, File, Observation, Probe
from phoenix.pki.bundle import Bundle, fingerprint
from phoenix.pki.x509.subject_hash import subject_hash

PROGRAM = files("phoenix.tasks.trust").joinpath("system_store.pl").read_text("utf-8")
FOLDER, _, FIRST = ANCHOR.removesuffix(".crt").rpartition("/")
STORE = "/etc/ssl/certs"
SYSTEM_BUNDLE = f"{STORE}/ca-certificates.crt"
MARK = f"{UNFINISHED}/trust"
"""Outlives a change of trust that was interrupted, and names the anchors that it was to remove."""


@dataclass(frozen=True)
class SystemStore:
    """Exactly these anchors of ours in the store; none of them where the host is to trust nothing of the estate."""

    bundle: Bundle

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the anchors are called in the store: the first one always the same, others by their fingerprint."""
        others = (f"{FIRST}_{fingerprint(anchor)[:8]}" for anchor in self.bundle.anchors[1:])
        return (FIRST, *others) if self.bundle.anchors else ()

    @property
    def _subject(self) -> str:
        """The question's name: in one run it may be asked of one bundle and then of the next."""
        return f"system store of {' '.join(self.names)}"

    @property
    def files(self) -> tuple[File, ...]:
        """One file an anchor."""
        return tuple(File(anchor_file(name), pem) for name, pem in zip(self.names, self.bundle.anchors, strict=True))

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the files, what an interrupted run left, and everything else in one go."""
        look = f"perl -e {shlex.quote(PROGRAM)} look {' '.join(self.names)}"
        return (
            Probe("content", MARK),
            Probe("command", self._subject, look),
            *(probe for file in self.files for probe in file.probes()),
        )

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write and remove files of anchors, then bring links, hash links and bundle to what they say."""
        written = [change for file in self.files for change in file.changes(seen)]
        new, wrong = self._new(seen), self._wrong(seen)
        if not (written or wrong or interrupted(seen)):
            return ()
        gone = self._gone(seen)
        removal = [
            Change(f"file {path}", "remove", "the anchor is withdrawn", script=f"rm -f {path}")
            for path in map(anchor_file, gone)
        ]
        settle = f"perl -e {shlex.quote(PROGRAM)} settle {' '.join(self.words(seen))}"
        reason = self._reason(new, gone, wrong)
        return (*written, *removal, Change(f"trust store {STORE}", "update", reason, script=settle))

    def words(self, seen: Observation) -> tuple[str, ...]:
        """What the store's program is told: anchors that are new, that stay, and that are gone."""
        new = self.names if interrupted(seen) else self._new(seen)
        told = (
            f"{'+' if name in new else '='}{name}.{subject_hash(pem)}"
            for name, pem in zip(self.names, self.bundle.anchors, strict=True)
        )
        return (*told, *(f"-{name}" for name in self._gone(seen)))

    def _new(self, seen: Observation) -> list[str]:
        return [n for n, file in zip(self.names, self.files, strict=True) if seen.text(file.path) != file.content]

    def _wrong(self, seen: Observation) -> list[str]:
        return seen.outputs.get(self._subject, "").splitlines()

    def _gone(self, seen: Observation) -> list[str]:
        stale = [line.removeprefix("stale ") for line in self._wrong(seen) if line.startswith("stale ")]
        return sorted({*stale, *(seen.text(MARK) or "").split()} - set(self.names))

    def _reason(self, new: list[str], gone: list[str], wrong: list[str]) -> str:
        if new:
            return "an anchor of the estate is not in it" if len(new) == 1 else "anchors of the estate are not in it"
        if gone:
            return "a withdrawn anchor is in it"
        return f"it is damaged ({'; '.join(wrong)})" if wrong else "an earlier run was interrupted"

    def mark(self, seen: Observation) -> Change:
        """Note that a change of trust has begun, and which anchors it removes."""
        names = " ".join(self._gone(seen))
        script = f"{{ [ -d {UNFINISHED} ] || mkdir -p {UNFINISHED}; }} && printf '%s\\n' '{names}' >{MARK}"
        return Change("trust", "update", script=script, guard=True)


def anchor_file(name: str) -> str:
    """The file of an anchor."""
    return f"{FOLDER}/{name}.crt"


def interrupted(seen: Observation) -> bool:
    """Tell whether an earlier change of trust did not come to its end."""
    return MARK in seen.contents
