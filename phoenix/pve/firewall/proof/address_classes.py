"""All IPv4 addresses → one representative per class of addresses that no rule and no flow distinguishes.

Testing one representative per class covers every packet.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from hashlib import sha256

from phoenix.pve.firewall.model.intervals import V4_END, Intervals


class AddressClasses:
    """One representative per class, ascending; a set of them is a bit mask, an int with a bit for each.

    `sets` are the address sets that rules and flows name. Each of `hosts` is a class of its own.
    """

    def __init__(self, sets: Iterable[Intervals], hosts: Iterable[int]) -> None:
        own = set(hosts)
        self.addresses = tuple(sorted({*own, *_representatives({*sets, *(((host, host),) for host in own)})}))
        self.all = (1 << len(self.addresses)) - 1
        self._masks: dict[Intervals, int] = {}

    def mask(self, parts: Intervals | None) -> int:
        """The mask of a set of addresses; None stands for all addresses."""
        if parts is None:
            return self.all
        if parts not in self._masks:
            bits = 0
            for low, high in parts:
                first, end = bisect_left(self.addresses, low), bisect_right(self.addresses, high)
                bits |= (1 << end) - (1 << first)
            self._masks[parts] = bits
        return self._masks[parts]

    def addresses_in(self, mask: int) -> tuple[int, ...]:
        """The representatives in a mask."""
        members = []
        while mask:
            lowest = mask & -mask
            members.append(self.addresses[lowest.bit_length() - 1])
            mask ^= lowest
        return tuple(members)


def _representatives(sets: set[Intervals]) -> Iterable[int]:
    """The lowest address of each class: addresses are in one class if they are in the same sets.

    A class is identified by the XOR of the hashes of its sets, which is updated at each boundary of an interval.
    """
    boundaries: dict[int, int] = {0: 0}
    for index, parts in enumerate(sorted(sets)):
        mark = int.from_bytes(sha256(str(index).encode()).digest()[:16])
        for low, high in parts:
            for address in (low, high + 1):
                boundaries[address] = boundaries.get(address, 0) ^ mark
    lowest: dict[int, int] = {}
    class_id = 0
    for address in sorted(boundaries):
        class_id ^= boundaries[address]
        if address < V4_END:
            lowest.setdefault(class_id, address)
    return lowest.values()
