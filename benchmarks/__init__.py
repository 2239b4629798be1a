"""Measurements of the public commands; see run.py."""
