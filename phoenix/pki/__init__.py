"""Certificates: X.509, the decision about each leaf, the CA's files, and the audit. It does no I/O."""
