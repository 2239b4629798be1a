"""The words of pct and qm are read as the real ones read them."""

import pytest

from phoenix.lab.pve.console import options


@pytest.mark.parametrize(
    ("words", "given", "rest"),
    [
        (["-mp0", "/a,mp=/b"], {"mp0": "/a,mp=/b"}, []),
        (["--mp0=/a,mp=/b", "--onboot", "1"], {"mp0": "/a,mp=/b", "onboot": "1"}, []),
        (["--purge", "--force"], {"purge": "1", "force": "1"}, []),
        (["/from", "/to", "--perms", "600"], {"perms": "600"}, ["/from", "/to"]),
    ],
)
def test_options(words: list[str], given: dict[str, str], rest: list[str]) -> None:
    """One dash or two, with or without an equals sign; a flag alone is 1."""
    assert options(words) == (given, rest)
