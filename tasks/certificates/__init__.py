"""Leaves: issue, renew, revoke, and the hypervisor's web certificate."""
