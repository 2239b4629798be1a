"""Runbooks: what an operator runs, each with its own chain of stages."""
