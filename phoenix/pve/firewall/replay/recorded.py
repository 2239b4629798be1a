"""The bytes of a recording → its cases, validated against the schema before they are replayed."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from phoenix.errors import PhoenixError
from phoenix.pve.firewall.replay.schema import RecordedCase

GZIP_MAGIC = b"\x1f\x8b"
MAX_PROBLEMS = 10
"""The message shows this many: a mistake of the program that made the recording is often in every case."""
MESSAGES = {
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
}


class RecordingError(PhoenixError):
    """A file that is not a recording of verdicts; the message names the case and the key."""


def read_cases(data: bytes) -> list[Mapping[str, Any]]:
    """Read the cases of a recording, compressed by gzip or not; absent optional keys stay absent."""
    try:
        text = gzip.decompress(data) if data.startswith(GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"starts like a gzip file, but cannot be decompressed: {error}") from None
    try:
        cases = json.loads(text)
    except RecursionError:
        raise RecordingError("is nested too deeply for a recording of verdicts") from None
    except ValueError as error:
        raise RecordingError(f"is not JSON: {error}") from None
    if not isinstance(cases, list):
        raise RecordingError("must be a list of cases")
    problems = [problem for index, case in enumerate(cases) for problem in _problems(index, case)]
    if problems:
        more = len(problems) - MAX_PROBLEMS
        shown = problems[:MAX_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise RecordingError("is not a recording of verdicts:\n  " + "\n  ".join(shown))
    return cases


def _problems(index: int, case: object) -> Iterable[str]:
    try:
        RecordedCase.model_validate(case, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            # pydantic adds the branch of a union to the path; it is not a key of the file.
            path = ".".join(str(part) for part in one["loc"] if not re.fullmatch(r"str|int|bool|_\w+", str(part)))
            message = MESSAGES.get(one["type"]) or one["msg"].removeprefix("Value error, ")
            yield f"case {index}: {path}: {message}" if path else f"case {index}: {message}"
