"""The simulated hosts of these tests know the tasks' own resources."""

from __future__ import annotations

import tests.support.task_resources  # noqa: F401  # registers its rules
