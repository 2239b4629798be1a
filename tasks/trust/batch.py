"""Changes of trust in all containers of a node at once; `push_trust` reports the result of each.

The node makes changes of files and links from outside. Scripts for the other changes go over one SSH channel.
"""

from __future__ import annotations

from phoenix.estate import Guest
from phoenix.run import ChangesByHost, Run
from phoenix.tasks.support.batch import NO_NODE_SIDE_CHANGES, ConvergeAhead, NodeSideChanges
from phoenix.tasks.trust.on_node import change_on_node
from phoenix.tasks.trust.push import Trust, push_trust, trust_resources
from phoenix.tasks.trust.system_store import SystemStore


def _node_side(run: Run, planned: ChangesByHost) -> NodeSideChanges:
    """Select the containers in which only files and links change."""
    guests = {guest.vmid: guest for guest in run.estate.guests if guest.name in planned}
    words = {vmid: words for vmid, guest in guests.items() if (words := _store_words(run, guest))}
    if not words:
        return NO_NODE_SIDE_CHANGES
    texts = Trust(run.authority.bundle).texts
    hosts = frozenset(guests[vmid].name for vmid in words)
    return NodeSideChanges(hosts, lambda shell: {guests[vmid].name for vmid in change_on_node(shell, texts, words)})


def _store_words(run: Run, guest: Guest) -> tuple[str, ...]:
    """The arguments of the store's program, if files and links are all that changes in a container."""
    folder, *others = trust_resources(run, guest)
    trust = next((one for one in others if isinstance(one, Trust)), None)
    seen = run.session(guest.name).observe((folder, *others))
    if trust is None or len(others) > 1 or not trust.is_plain(seen):
        return ()
    is_wrong = any(change.verb != "create" for change in folder.changes(seen))
    return () if is_wrong else SystemStore(trust.bundle).words(seen)


push_together = ConvergeAhead("push_together", push_trust, _node_side)
"""Make the changes of all containers whose state is known."""
