"""Desired → observed → changes → applied, for whatever a host should have."""

from phoenix.converge.apply import ApplyError
from phoenix.converge.change import Change, Upload
from phoenix.converge.made import Command, Made, OwnedDirectory
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.resources import (
    Daemon,
    Directory,
    Exclusive,
    File,
    Packages,
    Program,
    Resource,
    Unit,
    User,
)
from phoenix.converge.session import HostSession

__all__ = [
    "ApplyError",
    "Change",
    "Command",
    "Daemon",
    "Directory",
    "Exclusive",
    "File",
    "HostSession",
    "Made",
    "Observation",
    "OwnedDirectory",
    "Packages",
    "Probe",
    "Program",
    "Resource",
    "Unit",
    "Upload",
    "User",
]
