"""Nornir tasks, one concern a module: they say what should be; `phoenix.converge` knows how to get there."""
