"""The stand-ins for pct and qm parse their command lines like the real programs."""

import pytest

from phoenix.lab.pve.console import options


@pytest.mark.parametrize(
    ("words", "parsed", "rest"),
    [
        (["-mp0", "/a,mp=/b"], {"mp0": "/a,mp=/b"}, []),
        (["--mp0=/a,mp=/b", "--onboot", "1"], {"mp0": "/a,mp=/b", "onboot": "1"}, []),
        (["--purge", "--force"], {"purge": "1", "force": "1"}, []),
        (["/from", "/to", "--perms", "600"], {"perms": "600"}, ["/from", "/to"]),
    ],
)
def test_options(words: list[str], parsed: dict[str, str], rest: list[str]) -> None:
    """An option has one or two dashes and a value after a space or an equals sign; a flag without a value is 1."""
    assert options(words) == (parsed, rest)
