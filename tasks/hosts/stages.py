"""Stages that several runbooks share: preflight, and templates in the order in which they are cloned."""

from __future__ import annotations

from phoenix.estate import Estate, Template
from phoenix.run import Stage, Step, hypervisors
from phoenix.run.selectors import Selector
from phoenix.tasks.hosts.preflight import check_access
from phoenix.tasks.hosts.removal import announce_undeclared

PREFLIGHT = Stage(
    "preflight",
    (Step(check_access, hypervisors, for_guests=True), Step(announce_undeclared, hypervisors, for_guests=True)),
)
"""The first stage of every runbook that changes or enters hosts."""


def template_levels(estate: Estate) -> list[Selector[Template]]:
    """Select templates by their number of clones from an image; each level is made from the level before it."""
    templates = {template.name: template for template in estate.templates}

    def depth(template: Template) -> int:
        origin = templates.get(template.clone_of or "")
        return 0 if origin is None else depth(origin) + 1

    levels: dict[int, tuple[Template, ...]] = {}
    for template in estate.templates:
        levels[depth(template)] = (*levels.get(depth(template), ()), template)
    return [_fixed(levels[level]) for level in sorted(levels)]


def _fixed(templates: tuple[Template, ...]) -> Selector[Template]:
    return lambda _estate: templates
