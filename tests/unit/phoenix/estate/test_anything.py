"""An inventory with arbitrary content is either loaded or rejected with messages; there is no third outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from phoenix.estate import Estate, InventoryError, Problem, load_estate
from phoenix.estate.model import Guest, Hypervisor, Settings
from tests.support.estates import DEFAULTS, GROUPS, HOSTS

FILES = {"hosts": HOSTS, "groups": GROUPS, "defaults": DEFAULTS}
PLAIN = {name: YAML(typ="safe", pure=True).load(text) for name, text in FILES.items()}
KEYS = sorted({*Guest.model_fields, *Hypervisor.model_fields, *Settings.model_fields, "hostname", "data", "ports", "x"})
WORDS = st.sampled_from(
    ["", "ca", "mesh", "pve", "base", "nginx", "traefik", "template", "vm", "lxc", "lan", "any", "docker", "10.0.0.12"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70000),
    st.floats(),
    WORDS,
    st.text(max_size=6),
    st.sampled_from([10**30, "10.0.0.11/24", "/a b", "a:b", "9001", "1:2:3", "127.0.0.1:1:2", "é.test", "0:0", "\n"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=4)), inner, max_size=3),
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List every path into plain data."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the documents of a valid inventory after one to three mutations."""
    documents = deepcopy(PLAIN)
    for _ in range(draw(st.integers(1, 3))):
        document = documents[draw(st.sampled_from(["hosts", "hosts", "groups", "defaults"]))]
        *parents, last = draw(st.sampled_from(sorted(places(document), key=str) or [("x",)]))
        parent = document
        for key in parents:
            parent = parent[key]
        match draw(st.sampled_from(["drop", "replace", "add", "copy"])):
            case "drop":
                parent.pop(last, None) if isinstance(parent, dict) else parent.pop(last)
            case "add" if isinstance(parent, dict):
                parent[draw(st.sampled_from(KEYS))] = draw(VALUES)
            case "copy" if isinstance(parent, dict):
                parent[draw(st.sampled_from(KEYS))] = deepcopy(parent.get(last))
            case _:
                parent[last] = draw(VALUES)
    return documents


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(documents=mutated())
def test_mutated_data(tmp_path_factory: pytest.TempPathFactory, documents: dict[str, Any]) -> None:
    """A valid inventory with keys dropped, added and replaced is an estate or a list of problems."""
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    for name, data in documents.items():
        (folder / f"{name}.yaml").write_text(json.dumps(data), "utf-8", "surrogatepass")  # JSON is YAML, too
    loaded_or_refused(folder)


@settings(max_examples=70, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_text(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A valid inventory with characters dropped, replaced and inserted is an estate or a list of problems."""
    folder = tmp_path_factory.getbasetemp() / "text"
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    name = data.draw(st.sampled_from(sorted(FILES)))
    text = FILES[name]
    begin = data.draw(st.integers(0, len(text)))
    end = min(len(text), begin + data.draw(st.integers(0, 12)))
    inserted = data.draw(st.one_of(st.text("{}[]:,&*!|>-#'\"%@`\n\t a1<~", max_size=6), st.text(max_size=3)))
    (folder / f"{name}.yaml").write_bytes((text[:begin] + inserted + text[end:]).encode("utf-8", "surrogatepass"))
    loaded_or_refused(folder)


def loaded_or_refused(folder: Path) -> None:
    """Load the folder; each problem must name a file of the folder and have a message that can be encoded."""
    problems: tuple[Problem, ...] = ()
    try:
        assert isinstance(load_estate(folder), Estate)
    except InventoryError as error:
        problems = error.problems or (Problem("", 0, "", ""),)
    for problem in problems:
        assert problem.file.startswith(str(folder))
        assert problem.message
        str(problem).encode()
