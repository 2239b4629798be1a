"""A file of recorded verdicts → its cases, or what of it is not of that shape: `replay` relies on it."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from phoenix.errors import PhoenixError
from phoenix.pve.firewall.replay.schema import Case

GZIP = b"\x1f\x8b"
MOST_PROBLEMS = 10
"""So many are shown: one mistake in what made the file is often everywhere."""
MESSAGES = {
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
}


class RecordError(PhoenixError):
    """A file that is no record of verdicts; the message names the case and the key."""


def read_cases(data: bytes) -> list[Mapping[str, Any]]:
    """The cases of a file, compressed or not; absent optional parts stay absent."""
    try:
        text = gzip.decompress(data) if data.startswith(GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise RecordError(f"begins like gzip, and cannot be decompressed: {error}") from None
    try:
        found = json.loads(text)
    except RecursionError:
        raise RecordError("is nested too deeply to be JSON of that structure") from None
    except ValueError as error:
        raise RecordError(f"is not JSON: {error}") from None
    if not isinstance(found, list):
        raise RecordError("must be a list of cases")
    problems = [problem for index, case in enumerate(found) for problem in _problems(index, case)]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise RecordError("is no record of verdicts:\n  " + "\n  ".join(shown))
    return found


def _problems(index: int, case: object) -> Iterable[str]:
    try:
        Case.model_validate(case, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            # A union's branch is no key of the file.
            path = ".".join(str(part) for part in one["loc"] if not re.fullmatch(r"str|int|bool|_\w+", str(part)))
            message = MESSAGES.get(one["type"]) or one["msg"].removeprefix("Value error, ")
            yield f"case {index}: {path}: {message}" if path else f"case {index}: {message}"
