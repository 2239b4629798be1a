"""Texts of refused firewall rules that differ from fakepve's. Recorded: errors.txt."""

import re
from typing import Any

from phoenix.lab.pve.fake import PveError
from phoenix.lab.pve.model.base import PveModel

_FORMAT = "invalid format - "
_ADDRESS = re.compile(rf"{_FORMAT}not a valid IP or CIDR: (.*[^0-9a-fA-F:./].*)")


class RuleErrors(PveModel):
    """Gives the checks of a rule's fields the node's own words."""

    def _check_rule(self, scope: str, rule: Any, conf: Any) -> Any:
        try:
            return super()._check_rule(scope, rule, conf)
        except PveError as error:
            errors = {field: _in_own_words(text) for field, text in (error.errors or {}).items()}
            raise PveError(error.status, error.message, errors or None) from error


def _in_own_words(text: str) -> str:
    text = _ADDRESS.sub(rf"{_FORMAT}invalid IP address: Invalid chars in IP \1", text)
    return f"{text}\n" if text.startswith(_FORMAT) else text
