"""The typed model of the inventory, its loader, and the selection of targets."""

from phoenix.estate.load import load_estate
from phoenix.estate.model import (
    DEFAULT_VALIDITY,
    MIN_LIFETIME,
    Authority,
    Container,
    Dataset,
    Egress,
    Estate,
    Guest,
    Hypervisor,
    Machine,
    MeshValidity,
    Mount,
    Network,
    Service,
    Settings,
    Template,
    Validity,
)
from phoenix.estate.problems import InventoryError, Problem

__all__ = [
    "DEFAULT_VALIDITY",
    "MIN_LIFETIME",
    "Authority",
    "Container",
    "Dataset",
    "Egress",
    "Estate",
    "Guest",
    "Hypervisor",
    "InventoryError",
    "Machine",
    "MeshValidity",
    "Mount",
    "Network",
    "Problem",
    "Service",
    "Settings",
    "Template",
    "Validity",
    "load_estate",
]
