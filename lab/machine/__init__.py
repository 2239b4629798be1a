"""Runs the hypervisor's machine, the outer container, on this machine, and enters it and its guests."""
