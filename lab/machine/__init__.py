"""The hypervisor's machine as this machine sees it: the outer container, its processes, and the way into it."""
