"""What the tasks share: the guests of a node, mounts, programs, changes in all containers of a node at once."""
