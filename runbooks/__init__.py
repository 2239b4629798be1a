"""Runbooks: the commands of an operator, each with its own chain of stages."""
