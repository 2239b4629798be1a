"""Flows as a table and as JSON: every flow, with the line of the inventory that declares it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phoenix.derive.flows import Flow, flows
from phoenix.estate.key_locations import Sources, read_sources
from phoenix.report.flows import as_json, as_table, format_ports
from tests.support.inventories import Copy


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Copy the example inventory."""
    return Copy(tmp_path)


def sources(of: Copy) -> Sources:
    """Read the files of an inventory."""
    return read_sources(of.folder)


def test_table(copy: Copy) -> None:
    """Each flow is one line of the table, and the last line has their number."""
    every = flows(copy.load())
    heading, *lines, empty, last = as_table(every, sources(copy)).splitlines()
    assert heading.split() == ["source", "destination", "asks", "for", "purpose", "because", "of"]
    assert len(lines) == len(every)
    assert (empty, last) == ("", f"{len(every)} flows; everything else is dropped")
    agent = next(line for line in lines if line.startswith("portainer ") and "9001/tcp" in line)
    assert agent.split() == [
        "portainer", "drphoenix", "9001/tcp", "client", "of", "portainer-agent",
        f"{copy.file('hosts')}:{copy.line('hosts', 'clients: [portainer, pve]')}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "port", "file", "marker"),
    [
        ("traefik drphoenix", 6333, "hosts", "qdrant: {port"),
        ("traefik drphoenix", 6334, "hosts", "qdrant-grpc: {port: 6334, scheme: h2c"),
        ("drphoenix pve", 2049, "hosts", "persistent_storage:#2"),
        ("ollama internet", 123, "defaults", "purpose: time"),
        ("management pve", 8006, "defaults", "management: [10.0.0.20]"),
        ("lan pve", 53, "defaults", "subnet: 10.0.0.0/24"),
        ("pve upstream", 53, "defaults", "upstream_dns:"),
        ("ollama step-ca", 9000, "hosts", "groups: [model_server, lxc, trusted_ca, nvidia]#3"),
    ],
)
def test_json(copy: Copy, ends: str, port: int, file: str, marker: str) -> None:
    """A record has the ends, the protocol and ports, the purpose, and the line of the inventory."""
    records = json.loads(as_json(flows(copy.load()), sources(copy)))
    matching = [one for one in records if ends == f"{one['source']} {one['destination']}" and port in one["ports"]]
    assert matching
    assert {(one["file"], one["line"]) for one in matching} == {(str(copy.file(file)), copy.line(file, marker))}
    assert set(matching[0]) == {"source", "destination", "protocol", "ports", "purpose", "file", "line"}


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (Flow("b", "a", "tcp", (80, 443), ""), "80,443/tcp"),
        (Flow("b", "a", "udp", (53,), ""), "53/udp"),
        (Flow("b", "a", "icmp", (), ""), "icmp"),
    ],
)
def test_ports(flow: Flow, text: str) -> None:
    """The ports of a flow are formatted with their protocol; ICMP has none."""
    assert format_ports(flow) == text
