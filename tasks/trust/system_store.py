"""Debian's system trust store (update-ca-certificates(8)): the estate's anchors, without withdrawn ones."""

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
"""Mark of a change of trust; one that outlives the change was interrupted, and names the anchors to remove."""


@dataclass(frozen=True)
class SystemStore:
    """Exactly these anchors of the estate in the store; none for a host outside `trusted_ca`."""

    bundle: Bundle

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the anchors in the store: the first is constant, others carry their fingerprint."""
        others = (f"{FIRST}_{fingerprint(anchor)[:8]}" for anchor in self.bundle.anchors[1:])
        return (FIRST, *others) if self.bundle.anchors else ()

    @property
    def subject(self) -> str:
        """The question's name, which depends on the bundle: one run may ask about two bundles."""
        return f"system store of {' '.join(self.names)}"

    @property
    def files(self) -> tuple[File, ...]:
        """One file per anchor."""
        return tuple(File(anchor_file(name), pem) for name, pem in zip(self.names, self.bundle.anchors, strict=True))

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the files, an interrupted run's mark, and the state of the store."""
        look = f"perl -e {shlex.quote(PROGRAM)} look {' '.join(self.names)}"
        return (
            Probe("content", MARK),
            Probe("command", self.subject, look),
            *(probe for file in self.files for probe in file.probes()),
        )

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write and remove files of anchors, then update links, hash links and the system bundle."""
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
        """Arguments of the store's program: anchors that are new (+), stay (=), and are removed (-)."""
        new = self.names if interrupted(seen) else self._new(seen)
        told = (
            f"{'+' if name in new else '='}{name}.{subject_hash(pem)}"
            for name, pem in zip(self.names, self.bundle.anchors, strict=True)
        )
        return (*told, *(f"-{name}" for name in self._gone(seen)))

    def _new(self, seen: Observation) -> list[str]:
        return [n for n, file in zip(self.names, self.files, strict=True) if seen.text(file.path) != file.content]

    def _wrong(self, seen: Observation) -> list[str]:
        return seen.outputs.get(self.subject, "").splitlines()

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
        """Write the mark, with the anchors that the change removes."""
        names = " ".join(self._gone(seen))
        script = f"{{ [ -d {UNFINISHED} ] || mkdir -p {UNFINISHED}; }} && printf '%s\\n' '{names}' >{MARK}"
        return Change("trust", "update", script=script, guard=True)


def anchor_file(name: str) -> str:
    """Path of an anchor's file."""
    return f"{FOLDER}/{name}.crt"


def interrupted(seen: Observation) -> bool:
    """Report whether an earlier change of trust was interrupted."""
    return MARK in seen.contents
