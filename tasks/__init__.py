"""Nornir tasks: one concern a module, each a verb. They say what should be; `phoenix.converge` knows how to get there."""
