"""The typed model of the inventory, how it is read, and how parts of it are chosen."""

from phoenix.estate.load import load_estate
from phoenix.estate.model import (
    Authority,
    Container,
    Dataset,
    Egress,
    Estate,
    Guest,
    Hypervisor,
    Machine,
    Mount,
    Network,
    Service,
    Settings,
    Template,
)
from phoenix.estate.problems import InventoryError, Problem

__all__ = [
    "Authority",
    "Container",
    "Dataset",
    "Egress",
    "Estate",
    "Guest",
    "Hypervisor",
    "InventoryError",
    "Machine",
    "Mount",
    "Network",
    "Problem",
    "Service",
    "Settings",
    "Template",
    "load_estate",
]
