"""The certificate authority: its service, state, backup, offline root, rotation."""
