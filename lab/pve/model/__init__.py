"""The model of the hypervisor: fakepve's state, saved to disk and kept in step with the real guests."""
