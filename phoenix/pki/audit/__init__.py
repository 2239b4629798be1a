"""The audit of certificates and keys: scan hosts, derive what is expected, classify, and report each difference."""
