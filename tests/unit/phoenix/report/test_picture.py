"""The picture of the flows: it is complete, nothing overlaps, and any estate can be drawn."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings

from phoenix.derive.flows import Flow, flows
from phoenix.estate import Estate, Service
from phoenix.estate.key_locations import read_sources
from phoenix.report.picture.extents import TRACK_SEPARATION, tracks
from phoenix.report.picture.folding import MIN_GROUP, arrows, guest_groups, label
from phoenix.report.picture.layout import Layout
from phoenix.report.picture.mermaid import as_mermaid
from phoenix.report.picture.svg import as_svg
from tests.support.estates import estate, estates, guest
from tests.support.inventories import EXAMPLE, example

SVG = "{http://www.w3.org/2000/svg}"
TCP = "tcp"


def large() -> Estate:
    """Create an estate with fifty hosts, some of which are clients of others."""
    guests = []
    for number in range(20, 66):
        clients = (f"app-{20 + number * 7 % 46}", f"app-{20 + (number * 5 + 1) % 46}")
        exposed = {f"web-{number}": Service(port=8000 + number % 9, expose=True)}
        direct = {f"db-{number}": Service(port=5432, scheme="tcp", clients=clients)}
        groups = ("trusted_ca",) if number % 5 else ()
        guests.append(guest(f"app-{number}", number, *groups, services=exposed if number % 3 else direct))
    return estate(*guests)


def fields(flow: Flow) -> tuple[str, str, str, tuple[int, ...], str]:
    """Return the fields that identify a flow."""
    return flow.source, flow.dest, flow.protocol, flow.ports, flow.purpose


@settings(max_examples=40, deadline=None)
@given(small=estates())
def test_arrows_are_the_flows(small: Estate) -> None:
    """The arrows of any estate unfold to exactly its flows."""
    groups = {name: sorted(members) for name, members in guest_groups(small).items()}
    unfolded = [
        (source, dest, *fields(flow)[2:])
        for arrow in arrows(small)
        for flow in arrow.flows
        for source in groups.get(flow.source, [flow.source])
        for dest in groups.get(flow.dest, [flow.dest])
        if source != dest
    ]
    assert sorted(unfolded) == sorted(map(fields, flows(small)))


def test_flows_of_all_guests_are_one_arrow() -> None:
    """Flows of every guest are drawn once: names, certificates, the Internet, ping."""
    labels = {(arrow.source, arrow.dest): arrow.label for arrow in arrows(example())}
    assert labels["every guest", "pve"] == "53, 53/udp"
    assert labels["every guest", "step-ca"] == "9000"
    assert labels["every guest", "internet"] == "80, 443, 123/udp"
    assert labels["lan", "every guest"] == labels["every guest", "lan"] == "ping"
    assert labels["pve", "drphoenix"] == "22, 6333, 6334, 8000, 9001"
    assert not [arrow for arrow in arrows(example()) if arrow.dest == "internet" and arrow.source != "every guest"]


def test_groups() -> None:
    """Flows of all members of an inventory group are drawn as one arrow, unless the members are too few."""
    models = [guest(f"m{number}", 20 + number, "models") for number in range(MIN_GROUP)]
    store = guest("store", 40, services={"files": Service(port=2000, scheme="tcp", clients=("models",))})
    few = guest("few", 41, services={"other": Service(port=2001, scheme="tcp", clients=("m0", "m1"))})
    drawn = {(arrow.source, arrow.dest) for arrow in arrows(estate(*models, store, few)) if arrow.kind == "clients"}
    assert drawn == {("every models", "store"), ("m0", "few"), ("m1", "few")}


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([(TCP, (443, 80))], "80, 443"),
        ([(TCP, (80,)), (TCP, (443, 80))], "80, 443"),
        ([(TCP, (8000, 8001, 8002, 9000))], "8000-8002, 9000"),
        ([(TCP, (8000, 8001))], "8000, 8001"),
        ([("udp", (53,)), (TCP, (53,))], "53, 53/udp"),
        ([("icmp", ())], "ping"),
    ],
)
def test_label(ports: list[tuple[str, tuple[int, ...]]], text: str) -> None:
    """The ports of an arrow are sorted, without duplicates, and adjacent ports are a range."""
    own = [
        Flow("b", "a", "udp" if proto == "udp" else "icmp" if proto == "icmp" else "tcp", numbers, "")
        for proto, numbers in ports
    ]
    assert label(own) == text


def svg(of: Estate) -> ET.Element:
    """Draw the picture of an estate; its locations are those of the example's files."""
    return ET.fromstring(as_svg(of, read_sources(EXAMPLE)))


def test_the_picture_is_complete() -> None:
    """Every host, network, arrow and label is in the picture, and each flow is in the tooltip of its arrow."""
    drawn = svg(example())
    texts = Counter("".join(text.itertext()) for text in drawn.iter(f"{SVG}text"))
    titles = "\n".join(title.text or "" for title in drawn.iter(f"{SVG}title"))
    assert {host.name for host in example().live()} | {"any address", "lan", "management", "internet"} <= set(texts)
    for arrow in arrows(example()):
        assert texts[arrow.label] >= 1
        assert f"{arrow.source} → {arrow.dest}\n" in titles
    assert f"9001/tcp client of portainer-agent, {EXAMPLE / 'hosts.yaml'}:" in titles
    lines = [path for path in drawn.iter(f"{SVG}path") if path.get("class") == "line"]
    kinds = {arrow.kind for arrow in arrows(example())}
    assert len(lines) == len(arrows(example())) + len(kinds), "one line per arrow, and one per kind in the legend"


@pytest.mark.parametrize("of", [example(), large()], ids=["10 hosts", "50 hosts"])
def test_no_overlap(of: Estate) -> None:
    """Boxes do not overlap, the slots of a box are apart, and everything is on the canvas."""
    layout, drawn = Layout(of), svg(of)
    boxes = list(layout.boxes.values())
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            beside = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y
    slots = {slot for wire in layout.wires for slot in (wire.start, wire.stop)}
    positions = Counter(layout.position(slot) for slot in slots)
    assert set(positions.values()) == {1}
    width, height = (float(drawn.get(side) or 0) for side in ("width", "height"))
    points = [
        point
        for path in drawn.iter(f"{SVG}path")
        for point in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path.get("d") or "")
    ]
    assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)
    assert all(0 <= float(text.get("x") or 0) <= width for text in drawn.iter(f"{SVG}text"))
    assert width < 2400


def test_order_of_columns() -> None:
    """The columns from left to right are outside, edge, mesh, guests, hypervisor and CA, beyond."""
    layout = Layout(example())
    columns = [
        ["any", "lan"],
        ["nginx-gateway"],
        ["traefik"],
        ["ollama", "every guest"],
        ["pve", "step-ca"],
        ["internet"],
    ]
    places = [{layout.boxes[name].x for name in column} for column in columns]
    assert all(len(column) == 1 for column in places)
    assert places == sorted(places, key=max)


@settings(max_examples=20, deadline=None)
@given(small=estates())
def test_any_estate_can_be_drawn(small: Estate) -> None:
    """Both pictures of any estate can be drawn, and the SVG is valid XML."""
    assert svg(small).tag == f"{SVG}svg"
    assert as_mermaid(small).startswith("flowchart LR\n")


def test_mermaid() -> None:
    """The flowchart has one line per arrow, and exactly the boxes that the lines name."""
    text = as_mermaid(example())
    boxes = set(re.findall(r"^ +(n\d+)[(\[]", text, re.MULTILINE))
    lines = re.findall(r'^ +(n\d+) -\.?->\|"([^"]+)"\| (n\d+)$', text, re.MULTILINE)
    assert len(lines) == len(arrows(example()))
    assert {end for source, _, dest in lines for end in (source, dest)} == boxes
    assert text.count("subgraph") == text.count("\n    end\n") == 6


def test_tracks_are_shared() -> None:
    """Lines that do not overlap share a track; lines that overlap have separate tracks."""
    gap = TRACK_SEPARATION
    spans = {"a": (0.0, 10.0), "b": (5.0, 20.0), "c": (11.0 + gap, 40.0), "d": (21.0 + gap, 30.0 + gap)}
    assert tracks(spans) == {"a": 0, "b": 1, "c": 0, "d": 1}
