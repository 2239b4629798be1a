"""The proof that a firewall permits exactly what the estate's flows permit."""
