"""The authority's own files: its settings, its state, and how far a rotation of its keys has come."""
