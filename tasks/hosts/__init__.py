"""The hypervisor and its guests: preflight, creation, storage, software."""
