"""One-time tokens, signed in the CA's guest: all that a leaf's host receives from it."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence

from phoenix.connections.ssh import Completed
from phoenix.conventions import CA_STATE
from phoenix.derive.authority import SIGNING_ROOT, ca_url
from phoenix.derive.certificates import Leaf
from phoenix.errors import TaskFailedError
from phoenix.pki.token import Signer, signed, unsigned
from phoenix.run import Run
from phoenix.tasks.authority.service import AS_STEP, provisioner_password

AT_ONCE = 4
SIGN = """
work=$(mktemp -d /run/phoenix-tokens.XXXXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
sign() {
  part=$work/$1
  shift
  for text; do
    printf %s "$text" >"$part" && openssl dgst -sha256 -hex -sign /dev/stdin "$part" <<end
$key
end
  done >"$part.signed"
}
"""


def mint_tokens(run: Run, leaves: Sequence[Leaf]) -> list[str]:
    """Mint one-time tokens, each for exactly its leaf's names and usage. Tokens are never logged or shown."""
    if not leaves:
        return []
    ca = run.estate.settings.ca
    signer = Signer(ca.provisioner, run.authority.provisioner or "", f"{ca_url(run.estate)}/1.0/sign")
    authority = run.session(run.estate.guest_with("step_ca").name)
    now = int(authority.run("date +%s").out or 0)
    texts = [unsigned(leaf, signer, secrets.token_hex(32), now) for leaf in leaves]
    done = authority.run(_signing_key(run, signer.key_id) + _signing(texts), 60 + len(leaves))
    try:
        return [signed(text, signature) for text, signature in zip(texts, _signatures(done), strict=True)]
    except ValueError:
        names = ", ".join(leaf.name for leaf in leaves)
        raise TaskFailedError(f"{authority.name} gave no token for {names}: {done.err.strip()[-300:]}") from None


def _signing_key(run: Run, key_id: str) -> str:
    """Shell that decrypts the key that signs tokens, once for all of them, into a variable and nowhere else."""
    reached = f"--ca-url {ca_url(run.estate)} --root {CA_STATE}/{SIGNING_ROOT}"
    return f"""
export PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8
key=$({AS_STEP} step ca provisioner jwe-key {reached} -- {shlex.quote(key_id)} |
  {AS_STEP} step crypto jwe decrypt --password-file {provisioner_password(run)} |
  {AS_STEP} step crypto key format --pem --no-password --insecure) && [ -n "$key" ] || exit 1
"""


def _signing(texts: Sequence[str]) -> str:
    """Shell that signs them, several at once, and prints the signatures in their order."""
    share = -(-len(texts) // AT_ONCE)
    parts = [texts[first : first + share] for first in range(0, len(texts), share)]
    signing = "\n".join(f"sign {number} {' '.join(part)} &" for number, part in enumerate(parts))
    return f'{SIGN}{signing}\nwait\ncat "$work"/*.signed\n'


def _signatures(done: Completed) -> list[bytes]:
    """Read openssl's output: a signature at the end of each line."""
    return [bytes.fromhex(line.rpartition(" ")[2]) for line in done.out.splitlines()] if done.status == 0 else []
