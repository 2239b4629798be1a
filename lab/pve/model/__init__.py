"""The hypervisor's model: fakepve's state, saved to disk and kept consistent with the real guests."""
