"""Desired state → observation → changes → applied, for every kind of resource on a host."""

from phoenix.converge.apply import ApplyError
from phoenix.converge.change import Change, Upload
from phoenix.converge.files import Directory, File, ManagedGlob, ReadOnlyFile
from phoenix.converge.foreign import MADE
from phoenix.converge.generated_file import Command, GeneratedFile, OwnedDirectory
from phoenix.converge.hidden import BehindMount
from phoenix.converge.host_session import AppliedAhead, HostSession
from phoenix.converge.json_keys import JsonKeys
from phoenix.converge.leftovers import Leftovers
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.outcome import Outcome, PartialFailureError, Plan
from phoenix.converge.resource import Resource
from phoenix.converge.software import Packages, PinnedProgram, User
from phoenix.converge.timers import Timers
from phoenix.converge.units import Daemon, Unit

__all__ = [
    "MADE",
    "AppliedAhead",
    "ApplyError",
    "BehindMount",
    "Change",
    "Command",
    "Daemon",
    "Directory",
    "File",
    "GeneratedFile",
    "HostSession",
    "JsonKeys",
    "Leftovers",
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
