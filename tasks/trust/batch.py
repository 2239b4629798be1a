"""Changes of trust in all containers of a node at once; `push_trust` says of each how it went.

Where they are files and links only, the node makes them from outside; the others' scripts go over one channel.
"""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.run import Run
from phoenix.tasks.support.batch import NOTHING, Found, Outside, apply_together
from phoenix.tasks.trust.on_node import change_on_node
from phoenix.tasks.trust.push import Trust, trust_of
from phoenix.tasks.trust.system_store import SystemStore


def push_together(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Serve all containers whose answer is known."""
    return apply_together(task, run, trust_of, outside=_from_outside, dry_run=dry_run)


def _from_outside(run: Run, found: Found) -> Outside:
    """Plain changes, to be made by the node."""
    names = {guest.vmid: guest.name for guest in run.estate.guests if guest.name in found}
    words = {vmid: words for vmid, name in names.items() if (words := _plain(run, name))}
    if not words or run.authority is None:
        return NOTHING
    texts = Trust(run.authority.bundle).texts
    hosts = frozenset(names[vmid] for vmid in words)
    return Outside(hosts, lambda shell: {names[vmid] for vmid in change_on_node(shell, texts, words)})


def _plain(run: Run, name: str) -> tuple[str, ...]:
    """What a store's program must be told, if all that is to be done on a host is plain."""
    folder, *others = trust_of(run, name)
    trust = next((one for one in others if isinstance(one, Trust)), None)
    seen = run.session(name).observe((folder, *others))
    if trust is None or len(others) > 1 or not trust.is_plain(seen):
        return ()
    wrong = any(change.verb != "create" for change in folder.changes(seen))
    return () if wrong else SystemStore(trust.bundle).words(seen)
