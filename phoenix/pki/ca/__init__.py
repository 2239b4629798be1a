"""The CA's own files: its configuration, its state, and the progress of a rotation of its keys."""
