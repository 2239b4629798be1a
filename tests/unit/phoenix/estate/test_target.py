"""Targets: names, ids, groups, tags and `key=value`, alone and combined."""

from __future__ import annotations

import pytest

from phoenix.estate import Estate
from phoenix.estate.target import TargetError, select
from tests.support.estates import estate, guest


@pytest.fixture(scope="module")
def small() -> Estate:
    """An estate with two guests besides the three that every estate has."""
    app = guest("app", 20, "vm", "docker", kind="vm", tags=("prod", "web"), memory=4096)
    return estate(app, guest("model", 21, "lxc", "gpu", tags=("prod",), workload="external", unprivileged=False))


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ((), "pve ca edge mesh app model"),
        (("app",), "app"),
        (("120",), "app"),
        (("lxc",), "ca edge mesh model"),
        (("prod",), "app model"),
        (("hypervisor",), "pve"),
        (("kind=vm",), "app"),
        (("vmid=120",), "app"),
        (("hypervisor=pve",), "ca edge mesh app model"),
        (("address=10.0.0.12",), "mesh"),
        (("unprivileged=false",), "model"),
        (("workload=external",), "model"),
        (("app", "model"), "app model"),
        (("app,model",), "app model"),
        (("app, model",), "app model"),
        (("prod & kind=vm",), "app"),
        (("prod&kind=vm,ca",), "app ca"),
    ],
)
def test_select(small: Estate, expressions: tuple[str, ...], names: str) -> None:
    """An expression selects the hosts of the table."""
    assert select(small, expressions) == frozenset(names.split())


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("modle", "no host matches 'modle'; did you mean 'model'?"),
        ("999", "no host matches '999'"),
        ("knd=vm", "unknown key 'knd' in 'knd=vm'; did you mean 'kind'?"),
        ("kind=docker", "no host matches 'kind=docker'"),
        ("ca&kind=vm", "each part matches some hosts, but no host matches all"),
        ("app,unknown", "no host matches 'unknown'"),
        ("app,", "no host matches ''"),
        ("&", "no host matches ''"),
        ("", "no host matches ''"),
        (" ", "no host matches ''"),
        ("=", "unknown key ''"),
    ],
)
def test_wrong_target(small: Estate, expression: str, says: str) -> None:
    """An expression with a part that matches no host is rejected: it would silently do less than requested."""
    with pytest.raises(TargetError) as refused:
        select(small, [expression])
    assert says in str(refused.value)
