"""Whether the API connection survives when a node presents a certificate of the estate; checked before it does."""

from __future__ import annotations

import time
from collections.abc import Iterator

from phoenix.connections.access import ApiAccess
from phoenix.connections.proxmox import ApiError
from phoenix.derive.authority import published_files
from phoenix.derive.certificates import Leaf, web_leaf
from phoenix.errors import TaskFailedError
from phoenix.estate import Hypervisor
from phoenix.pki.bundle import Bundle
from phoenix.run import Run

PROOF_SECONDS = 15.0


def connection_problems(run: Run, hypervisor: Hypervisor) -> Iterator[str]:
    """Reasons why the web certificate would break the API connection, each with the remedy in the access file."""
    if not hypervisor.web_certificate:
        return
    access, leaf = run.links.api(hypervisor.name).access, web_leaf(run.estate, hypervisor)
    authority = run.known_authority
    if authority is None:  # a lost CA may be about to be restored: checked again when it is known
        if access.ca is None:
            yield f"{hypervisor.name}: there is no authority yet to issue `web_certificate`: deploy once without it"
        return
    bundle = published_files(run.estate)[0]
    yield from (f"{hypervisor.name}: {problem}" for problem in _problems(access, leaf, authority.bundle, bundle))


def _problems(access: ApiAccess, leaf: Leaf, bundle: Bundle, published: str) -> Iterator[str]:
    name = "" if access.server in (*leaf.dns, *leaf.ips) else f"`name: {leaf.dns[0]}`"
    if access.ca is None:
        lines = " and ".join(filter(None, ("`ca: FILE`", name)))
        yield (
            "with `web_certificate` its certificate changes every few days, and the access file trusts only one by its "
            f"fingerprint: add {lines} below its `api:`, where FILE is a copy of the node's {published}; "
            "keep `fingerprint` for the way back"
        )
        return
    lacking = set(bundle.fingerprints) - set(access.anchors().fingerprints)
    if lacking:
        yield (
            f"{access.ca}, which the access file names, lacks {len(lacking)} of the estate's anchors: "
            f"append {published} to it, and leave what stands there"
        )
    if name:
        yield f"its web certificate is not for {access.server}: add {name} below its `api:` in the access file"


def own_certificate_problem(run: Run, hypervisor: Hypervisor) -> str | None:
    """The reason why the node's own certificate would break the API connection, if it would."""
    if run.links.api(hypervisor.name).access.fingerprint:
        return None
    return (
        f"{hypervisor.name} would present its own certificate again, which the access file does not trust: add its "
        "`fingerprint`, see `openssl x509 -in /etc/pve/local/pve-ssl.pem -noout -fingerprint -sha256` on the node"
    )


def prove_connection(run: Run, hypervisor: Hypervisor) -> None:
    """Query the API over a new connection; wait up to PROOF_SECONDS for a web server that is restarting."""
    api, deadline = run.links.api(hypervisor.name), time.monotonic() + PROOF_SECONDS
    api.close()
    while True:
        try:
            api.get("version")
        except ApiError as error:
            if time.monotonic() > deadline:
                hint = "`pvenode cert delete 1` on the node brings its own certificate back"
                raise TaskFailedError(f"the web certificate was changed, and now: {error}; {hint}") from None
            time.sleep(0.5)
        else:
            return
