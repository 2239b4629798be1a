"""An audit of certificates and keys: what a scan saw, what the inventory derives, and where they differ."""
