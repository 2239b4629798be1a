"""Desired state → observation → changes → applied, for every kind of resource on a host."""

from phoenix.converge.apply import ApplyError
from phoenix.converge.change import Change, Upload
from phoenix.converge.files import Directory, File, ManagedGlob, ReadOnlyFile
from phoenix.converge.generated_file import Command, GeneratedFile, OwnedDirectory
from phoenix.converge.host_session import AppliedAhead, HostSession
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.outcome import Outcome, PartialFailureError, Plan
from phoenix.converge.resource import Resource
from phoenix.converge.software import Packages, PinnedProgram, User
from phoenix.converge.timers import Timers
from phoenix.converge.units import Daemon, Unit

__all__ = [
    "AppliedAhead",
    "ApplyError",
    "Change",
    "Command",
    "Daemon",
    "Directory",
    "File",
    "GeneratedFile",
    "HostSession",
    "ManagedGlob",
    "Observation",
    "Outcome",
    "OwnedDirectory",
    "Packages",
    "PartialFailureError",
    "PinnedProgram",
    "Plan",
    "Probe",
    "ReadOnlyFile",
    "Resource",
    "Timers",
    "Unit",
    "Upload",
    "User",
]
