"""Planned leaves → the scripts that issue them, with one-time tokens that are minted for all hosts at once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from phoenix.conventions import BUNDLE, renewal_program
from phoenix.converge import Change
from phoenix.derive.authority import ca_url
from phoenix.derive.certificates import Leaf
from phoenix.derive.renewal_schedule import stem
from phoenix.estate.duration import go_duration
from phoenix.run import ChangesByHost, Run
from phoenix.tasks.certificates.leaf_resource import IssueLeaf, pending
from phoenix.tasks.certificates.tokens import mint_tokens
from phoenix.templating import shell_program


def issuing(run: Run, planned: ChangesByHost) -> dict[str, list[Change]]:
    """Give the changes of each host the scripts that issue its leaves; a token is minted for each leaf."""
    leaves = [change.leaf for changes in planned.values() for change in changes if isinstance(change, IssueLeaf)]
    tokens = dict(zip(leaves, mint_tokens(run, leaves), strict=True))
    return {name: list(_scripted(run, changes, tokens)) for name, changes in planned.items()}


def _scripted(run: Run, changes: Sequence[Change], tokens: Mapping[Leaf, str]) -> Iterator[Change]:
    """Make all requests before the first is signed, sign them over one connection, then put each leaf in its place."""
    issues = [change for change in changes if isinstance(change, IssueLeaf)]
    for change in changes:
        if not isinstance(change, IssueLeaf):
            yield change
        elif change is issues[0]:
            yield Change("certificates", "issue", script=_functions(run), guard=True)
            yield from (replace(issue, script=_request(n, issue.leaf)) for n, issue in enumerate(issues, 1))
            asked = "\n".join(_ask(n, issue.leaf, tokens) for n, issue in enumerate(issues, 1))
            yield Change("certificates", "issue", script=f"{{\n{asked}\n}} | sign", guard=True)
            yield from (replace(issue, script=_place(n, issue.leaf), guard=True) for n, issue in enumerate(issues, 1))


def _functions(run: Run) -> str:
    return shell_program("certificates/issue.sh", url=f"{ca_url(run.estate)}/1.0/sign", bundle=BUNDLE)


def _request(number: int, leaf: Leaf) -> str:
    names = ",".join((*(f"DNS:{name}" for name in leaf.dns), *(f"IP:{address}" for address in leaf.ips)))
    return shlex.join(("request", str(number), pending(leaf), names, leaf.owner, leaf.key_mode))


def _ask(number: int, leaf: Leaf, tokens: Mapping[Leaf, str]) -> str:
    return f"ask {number} {tokens[leaf]} {go_duration(leaf.validity.lifetime)}"


def _place(number: int, leaf: Leaf) -> str:
    return shlex.join(("place", str(number), pending(leaf), renewal_program(stem(leaf))))
