"""One-time tokens, minted in the authority's guest: the only thing that a leaf's host needs from it."""

from __future__ import annotations

import shlex

from phoenix.derive.authority import SIGNING_ROOT, STATE, ca_url
from phoenix.derive.certificates import Leaf
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.ca import AS_STEP, provisioner_password


def mint_tokens(run: Run, leaves: list[Leaf]) -> list[str]:
    """One-time tokens, each for exactly its leaf's names and usage; they are never logged or shown."""
    authority = run.estate.guest_with("step_ca").name
    done = run.session(authority).run(
        "\n".join((_provisioner_key(run), *(_mint_command(run, leaf) for leaf in leaves))), 120
    )
    tokens = done.out.split()
    if done.status or len(tokens) != len(leaves):
        names = ", ".join(leaf.name for leaf in leaves)
        raise TaskFailedError(f"{authority} gave no token for {names}: {done.err.strip()[-300:]}")
    return tokens


def _provisioner_key(run: Run) -> str:
    """Shell that decrypts the key that signs tokens, once for all of them, into a variable and nowhere else."""
    kid = shlex.quote((run.authority and run.authority.provisioner) or "")
    return f"""
PATH=/usr/local/bin:/usr/bin:/bin
jwk=$({AS_STEP} step ca provisioner jwe-key {kid} {_reached(run)} |
  {AS_STEP} step crypto jwe decrypt --password-file {provisioner_password(run)}) && [ -n "$jwk" ] || exit 1
"""


def _mint_command(run: Run, leaf: Leaf) -> str:
    names = " ".join(f"--san {shlex.quote(name)}" for name in (*leaf.dns, *leaf.ips))
    provisioner = shlex.quote(run.estate.settings.ca.provisioner)
    return (
        f'printf %s "$jwk" | step ca token {shlex.quote(leaf.dns[0])} {names} --set usage={leaf.usage} '
        f"--provisioner {provisioner} --key /dev/stdin {_reached(run)} || exit 1"
    )


def _reached(run: Run) -> str:
    """Options that tell `step` on the authority's guest where the authority is, and what to trust."""
    return f"--ca-url {ca_url(run.estate)} --root {STATE}/{SIGNING_ROOT}"
