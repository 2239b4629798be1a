"""Benchmarks of the public commands; `make bench` runs them, run.py first."""
