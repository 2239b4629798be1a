"""One leaf on its host as a resource, and leaves that the inventory no longer declares."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from phoenix.conventions import SYSTEMD, renewal_program, renewal_unit
from phoenix.converge import Change, Observation, Probe
from phoenix.derive.certificates import Leaf
from phoenix.derive.renewal_schedule import stem
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.leaf_decision import Keep, Reissue, Renew, SeenFile, SeenLeaf, decide
from phoenix.pki.x509.validity import utc_now
from phoenix.templating import shell_program

RENEWAL_PROGRAMS = renewal_program("*")
"""Glob pattern of the programs that renew leaves."""


@dataclass(frozen=True, kw_only=True)
class IssueLeaf(Change):
    """A leaf that must be issued; its script is added with the token when the change is made."""

    leaf: Leaf


def issue_leaf(leaf: Leaf, reason: str) -> IssueLeaf:
    """Plan the issue of a leaf."""
    return IssueLeaf(title(leaf), "issue", reason, leaf=leaf)


def pending(leaf: Leaf) -> str:
    """Directory of a new pair, until it is in place and its reader is reloaded."""
    return f"{leaf.directory}/.phoenix-next-{stem(leaf)}"


def title(leaf: Leaf) -> str:
    """The leaf's title in a plan."""
    return f"certificate {leaf.certificate}"


class LeafFiles:
    """One leaf as a resource: compared here, issued by `issue_certificates`, which can reach the CA."""

    def __init__(self, leaf: Leaf, authority: SeenAuthority | None) -> None:
        self.leaf = leaf
        self.authority = authority

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the certificate, the public half of the key, and owner and mode of both."""
        return (
            Probe("content", self.leaf.certificate),
            Probe("stat", self.leaf.certificate),
            Probe("stat", self.leaf.key),
            Probe("listing", pending(self.leaf)),
            Probe(
                "command", f"public key of {self.leaf.key}", f"openssl pkey -in {shlex.quote(self.leaf.key)} -pubout"
            ),
        )

    def seen(self, seen: Observation) -> SeenLeaf:
        """Read the leaf's state from an observation."""
        files = [
            SeenFile(stat.owner, stat.mode) if (stat := seen.stats.get(path)) else None
            for path in (self.leaf.certificate, self.leaf.key)
        ]
        public = seen.outputs.get(f"public key of {self.leaf.key}")
        return SeenLeaf(seen.text(self.leaf.certificate), public, *files)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Issue or renew the leaf, correct its owner and mode, or finish an interrupted installation."""
        leaf = self.leaf
        decision = decide(leaf, self.seen(seen), self.authority, utc_now())
        if isinstance(decision, Keep):
            if not seen.listings.get(pending(leaf)):
                return ()
            finish = f"{renewal_program(stem(leaf))} finish"
            return (
                Change(
                    title(leaf),
                    "update",
                    "an earlier run was interrupted before it reloaded the service",
                    script=finish,
                ),
            )
        if isinstance(decision, Reissue):
            return (issue_leaf(leaf, decision.reason),)
        if isinstance(decision, Renew):
            return (Change(title(leaf), "renew", decision.reason, script=f"{renewal_program(stem(leaf))} renew"),)
        certificate, key = shlex.quote(leaf.certificate), shlex.quote(leaf.key)
        script = f"chown {leaf.owner} {certificate} {key} && chmod 644 {certificate} && chmod {leaf.key_mode} {key}"
        return (Change(title(leaf), "update", decision.reason, script=script),)


class ObsoleteLeaves:
    """Leaves that the inventory no longer declares: removed with their keys, programs and timers."""

    def __init__(self, leaves: tuple[Leaf, ...]) -> None:
        self.scripts = {renewal_program(stem(leaf)) for leaf in leaves}
        self.files = {path for leaf in leaves for path in (leaf.certificate, leaf.key)}

    def probes(self) -> tuple[Probe, ...]:
        """Ask which renewal programs are on the host."""
        return (Probe("listing", RENEWAL_PROGRAMS),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Remove obsolete leaves; the assignments in a renewal program name its files."""
        found = [path for path in seen.listings.get(RENEWAL_PROGRAMS, ()) if path not in self.scripts]
        return tuple(
            Change(
                f"certificate of {path}",
                "remove",
                "not declared in the inventory",
                script="" if index else self._removal(found),
            )
            for index, path in enumerate(found)
        )

    def _removal(self, scripts: list[str]) -> str:
        """The script that removes all of them and reloads systemd once."""
        units = [renewal_unit(path.removeprefix(renewal_program(""))) for path in scripts]
        program = shell_program(
            "certificates/remove.sh",
            programs="\n".join(scripts),
            timers="\n".join(f"{unit}.timer" for unit in units),
            unit_files="\n".join(f"{SYSTEMD}/{unit}.{kind}" for unit in units for kind in ("timer", "service")),
            kept="\n".join(sorted(self.files)),
        )
        return f"({program})"
