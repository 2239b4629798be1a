"""Changes that issue leaves → the scripts that do it, with one-time tokens that are minted for all hosts at once."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from phoenix.converge import Change
from phoenix.derive.authority import ca_url
from phoenix.derive.certificates import Leaf, leaves_of
from phoenix.estate.duration import go_duration
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.certificates.leaf import pending, renewal_script, title
from phoenix.tasks.certificates.tokens import mint_tokens
from phoenix.tasks.support.converging import BUNDLE_FILE, written


def issuing(run: Run, found: Mapping[str, Sequence[Change]]) -> dict[str, list[Change]]:
    """Give the changes of each host with what issues its leaves; a token is minted for each of them."""
    wanted = {name: _wanted(run, name, changes) for name, changes in found.items()}
    leaves = [leaf for asked in wanted.values() for leaf in asked]
    if leaves and run.authority is None:
        raise TaskFailedError("the estate's root is not known: deploy the authority first")
    tokens = dict(zip(leaves, mint_tokens(run, leaves), strict=True))
    return {name: list(_scripted(run, changes, wanted[name], tokens)) for name, changes in found.items()}


def _wanted(run: Run, name: str, changes: Iterable[Change]) -> list[Leaf]:
    leaves = {title(leaf): leaf for leaf in leaves_of(run.estate, name)}
    return [leaves[change.resource] for change in changes if change.verb == "issue"]


def _scripted(
    run: Run, changes: Sequence[Change], leaves: Sequence[Leaf], tokens: Mapping[Leaf, str]
) -> Iterator[Change]:
    """All requests are made before the first is signed, all are signed over one connection, then each has its place."""
    issues = [change for change in changes if change.verb == "issue"]
    for change in changes:
        if change.verb != "issue":
            yield change
        elif change == issues[0]:
            yield Change("certificates", "issue", script=_functions(run), guard=True)
            numbered = [(str(number), leaf) for number, leaf in enumerate(leaves, 1)]
            yield from (replace(issues[int(n) - 1], script=_request(n, leaf)) for n, leaf in numbered)
            asked = "\n".join(f"ask {n} {tokens[leaf]} {go_duration(leaf.validity.lifetime)}" for n, leaf in numbered)
            yield Change("certificates", "issue", script=f"{{\n{asked}\n}} | sign", guard=True)
            yield from (replace(issues[int(n) - 1], script=_place(n, leaf), guard=True) for n, leaf in numbered)


def _functions(run: Run) -> str:
    return written("certificates/issue.sh.j2", url=f"{ca_url(run.estate)}/1.0/sign", bundle=BUNDLE_FILE)


def _request(number: str, leaf: Leaf) -> str:
    names = ",".join((*(f"DNS:{name}" for name in leaf.dns), *(f"IP:{address}" for address in leaf.ips)))
    return shlex.join(("request", number, pending(leaf), names, leaf.owner, leaf.key_mode))


def _place(number: str, leaf: Leaf) -> str:
    return shlex.join(("place", number, pending(leaf), renewal_script(leaf)))
