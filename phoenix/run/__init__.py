"""A run: stages of tasks on hosts, what holds during it, and the record it leaves."""

from phoenix.run.context import Run
from phoenix.run.stage import Selector, Stage, Step, everyone, group, guests, hypervisors

__all__ = ["Run", "Selector", "Stage", "Step", "everyone", "group", "guests", "hypervisors"]
