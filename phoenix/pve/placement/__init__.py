"""Whether a node can take the guests of an estate: its networks, ports, storages, and the other guests there. Pure.

Each module reads the answer of one question to the node, and yields its problems: what, where, and what to do.
"""
