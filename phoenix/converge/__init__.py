"""Desired → observed → changes → applied, for whatever a host should have."""

from phoenix.converge.apply import ApplyError
from phoenix.converge.change import Change, Upload
from phoenix.converge.files import Directory, Exclusive, File
from phoenix.converge.made import Command, Made, OwnedDirectory
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.resource import Resource
from phoenix.converge.session import HostSession
from phoenix.converge.software import Packages, Program, User
from phoenix.converge.timers import Timers
from phoenix.converge.units import Daemon, Unit

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
    "Timers",
    "Unit",
    "Upload",
    "User",
]
