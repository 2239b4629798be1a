"""A run: stages of tasks on hosts, the state that the tasks share, and the record of the run."""

from phoenix.run.context import Run
from phoenix.run.selectors import Selector, everyone, group, guests, guests_in, hypervisors
from phoenix.run.stage import Stage, Step, TaskFunction, observation
from phoenix.run.task_values import ChangesByHost, Converge, Planned

__all__ = [
    "ChangesByHost",
    "Converge",
    "Planned",
    "Run",
    "Selector",
    "Stage",
    "Step",
    "TaskFunction",
    "everyone",
    "group",
    "guests",
    "guests_in",
    "hypervisors",
    "observation",
]
