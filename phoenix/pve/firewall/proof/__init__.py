"""What the flows permit, and the proof that a firewall permits exactly that."""
