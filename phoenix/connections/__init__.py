"""Ways to reach hosts: the API lane and the SSH lane of a hypervisor, and guests through the latter."""
