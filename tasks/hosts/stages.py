"""Stages that several runbooks share: preflight, and templates in the order in which they are cloned."""

from __future__ import annotations

from phoenix.estate import Estate, Template
from phoenix.run import Stage, Step, hypervisors
from phoenix.run.selectors import Selector
from phoenix.tasks.hosts.preflight import check_access, check_deployment
from phoenix.tasks.hosts.removal import announce_undeclared

ANNOUNCEMENT = Step(announce_undeclared, hypervisors, for_guests=True)
PREFLIGHT = Stage("preflight", (Step(check_deployment, hypervisors, for_guests=True), ANNOUNCEMENT))
"""The first stage of a run that creates and changes guests."""
ACCESS = Stage("preflight", (Step(check_access, hypervisors, for_guests=True), ANNOUNCEMENT))
"""The first stage of every other runbook that changes or enters hosts."""


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
