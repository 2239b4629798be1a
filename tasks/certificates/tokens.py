"""One-time tokens, signed in the CA's guest: all that a leaf's host receives from it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from phoenix.connections.ssh import Completed
from phoenix.derive.authority import ca_url
from phoenix.derive.certificates import Leaf
from phoenix.errors import TaskFailedError
from phoenix.pki.token import Signer, signed, unsigned
from phoenix.run import Run
from phoenix.tasks.authority.service import client_values
from phoenix.templating import shell_program

AT_ONCE = 4
"""The number of tokens that are signed at the same time."""


def mint_tokens(run: Run, leaves: Sequence[Leaf]) -> list[str]:
    """Mint one-time tokens, each for exactly its leaf's names and usage. Tokens are never logged or shown."""
    if not leaves:
        return []
    ca = run.estate.settings.ca
    signer = Signer(ca.provisioner, run.authority.provisioner or "", f"{ca_url(run.estate)}/1.0/sign")
    authority = run.session(run.estate.guest_with("step_ca").name)
    now = int(authority.run("date +%s").out or 0)
    texts = [unsigned(leaf, signer, secrets.token_hex(32), now) for leaf in leaves]
    values = client_values(run)
    script = shell_program("step_ca/sign-tokens.sh", "step_ca/client.sh", texts=texts, at_once=AT_ONCE, **values)
    done = authority.run(script, 60 + len(leaves))
    try:
        return [signed(text, signature) for text, signature in zip(texts, _signatures(done), strict=True)]
    except ValueError:
        names = ", ".join(leaf.name for leaf in leaves)
        raise TaskFailedError(f"{authority.name} gave no token for {names}: {done.err.strip()[-300:]}") from None


def _signatures(done: Completed) -> list[bytes]:
    """Read openssl's output: a signature at the end of each line."""
    return [bytes.fromhex(line.rpartition(" ")[2]) for line in done.out.splitlines()] if done.status == 0 else []
