"""runbooks/flows.py as an operator uses it: what it prints, and the status that it gives."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from phoenix.derive.flows import flows
from phoenix.runbooks.flows import main
from tests.support.inventories import Copy, example
from tests.support.places import ROOT
from tests.unit.phoenix.pve.firewall.replay.recordings import ORACLE, RECORDED


@dataclass(frozen=True)
class Done:
    """The exit status and the output of a run."""

    status: int
    out: str
    err: str


Runbook = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runbook:
    """Run the runbook in the repository; an attempt to open a connection fails the test."""

    def refuse(*_: object) -> None:
        pytest.fail("a connection was opened")

    def run(*words: object) -> Done:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        try:
            status = main([*map(str, words)])
        except SystemExit as ended:
            status = int(ended.code or 0)
        return Done(status, *capsys.readouterr())

    return run


def test_list(run: Runbook) -> None:
    """Without a question, every flow is listed with its line, relative to the current directory."""
    done = run()
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith(f"\n{len(flows(example()))} flows; everything else is dropped\n")
    assert " inventory/hosts.yaml:" in done.out


@pytest.mark.parametrize(
    ("form", "begins"), [("table", "source "), ("json", "["), ("mermaid", "flowchart LR\n"), ("svg", "<svg ")]
)
def test_output(run: Runbook, tmp_path: Path, form: str, begins: str) -> None:
    """Each format is written to standard output, or only to a file."""
    file = tmp_path / "flows"
    printed, written = run("--format", form), run("--format", form, "--output", file)
    assert printed.out.startswith(begins)
    assert (written.status, written.out, file.read_text("utf-8")) == (0, "", printed.out)


def test_the_picture_of_the_documents(run: Runbook) -> None:
    """The picture in docs/ is that of the current inventory."""
    command = "runbooks/flows.py --format svg --output docs/images/flows.svg"
    assert run("--format", "svg").out == (ROOT / "docs/images/flows.svg").read_text("utf-8"), f"run {command}"


def test_another_inventory(run: Runbook, tmp_path: Path) -> None:
    """Another inventory can be selected, and its lines are named with its path."""
    copy = Copy(tmp_path)
    copy.edit("hosts", "clients: [portainer, pve]", "clients: [portainer]")
    records = json.loads(run("--inventory", copy.folder, "--format", "json").out)
    agent = [one for one in records if one["purpose"] == "client of portainer-agent"]
    line = copy.line("hosts", "clients: [portainer]")
    assert [(one["source"], one["file"], one["line"]) for one in agent] == [
        ("portainer", str(copy.file("hosts")), line)
    ]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("portainer", "drphoenix", "9001"), 0, "portainer → drphoenix, 9001/tcp: open\n"),
        (("portainer", "drphoenix", "9001"), 0, "  portainer accepts it outbound: guest 1001, rule "),
        (("portainer", "drphoenix", "9001"), 0, "  flow: client of portainer-agent, inventory/hosts.yaml:"),
        (("ollama", "drphoenix", "9001"), 1, "  ollama drops it outbound: guest 914, policy_out\n"),
        (("ollama", "drphoenix", "9001"), 1, "  drphoenix drops it inbound: guest 1002, policy_in\n"),
        (
            ("ollama", "drphoenix", "9001"),
            1,
            "  to open it: add ollama to `clients` of the service portainer-agent, inventory/hosts.yaml:",
        ),
        (("outside", "pve", "icmp"), 1, "  cannot be opened: ping is permitted between hosts and"),
        (("management", "pve", "3128"), 0, "  no flow: Proxmox VE opens it to `management`\n"),
        (("pve", "8.8.8.8", "53/udp"), 0, "  no flow: a hypervisor may open any connection\n"),
        (
            ("lan", "qdrant", "443"),
            0,
            "lan → nginx-gateway (qdrant.internal.thinkheads.ai), 443/tcp: open\n",
        ),
        (("ollama", "ollama", "80"), 0, "  traffic from a host to itself is not filtered\n"),
    ],
)
def test_why(run: Runbook, words: tuple[str, ...], status: int, says: str) -> None:
    """The answer says which rules decide, and the flow or what to declare; status 0 is open, 1 is closed."""
    done = run("--why", *words)
    assert (done.status, done.err) == (status, "")
    assert says in done.out


def test_who_can(run: Runbook) -> None:
    """The endpoints that can connect are listed with their flow; the others are named."""
    done = run("--who-can", "drphoenix", "9001")
    assert done.status == 0
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[3:5]] == ["pve", "portainer"]
    assert all("client of portainer-agent  inventory/hosts.yaml:" in line for line in lines[3:5])
    assert lines[-1].startswith("and closed to outside, lan, management, step-ca, ")


def test_closed_to_all(run: Runbook) -> None:
    """If no endpoint can connect, the answer names all that cannot, with status 1."""
    done = run("--who-can", "ollama", "22")
    assert done.status == 1
    assert done.out.startswith("22/tcp of ollama is closed to outside, lan, ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--why", "unknown", "pve", "22"), "'unknown' is not an endpoint of the estate: name a host (pve, step-ca, "),
        (("--who-can", "pve", "ssh"), "'ssh' is not a port: write 443, 53/udp or icmp"),
        (("--why", "pve", "ollama"), "expected 3 arguments"),
        (("--why", "a", "b", "1", "--who-can", "a", "1"), "not allowed with argument --why"),
        (("--who-can", "a", "1", "--replay", "x"), "not allowed with argument --who-can"),
        (("--why", "a", "b", "1", "--format", "json"), "--format and --output are for the list of flows"),
        (("--replay", "x", "--output", "y"), "--format and --output are for the list of flows"),
        (("--replay", "x", "--inventory", "y"), "--replay needs no --inventory"),
        (("--replay", "nowhere.json"), "nowhere.json cannot be read: No such file"),
        (("--replay", "README.md"), "README.md: is not JSON"),
        (("--output", "/nowhere/flows"), "/nowhere/flows cannot be written: No such file"),
        (("--inventory", "nowhere"), "nowhere: is not a directory; name one with --inventory DIR"),
    ],
)
def test_wrong_input(run: Runbook, words: tuple[str, ...], says: str) -> None:
    """A mistake is reported on standard error with status 2, and there is no other output."""
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


@RECORDED
@pytest.mark.parametrize("compressed", [True, False])
def test_replay(run: Runbook, tmp_path: Path, compressed: bool) -> None:  # noqa: FBT001  # a column of the table
    """The model agrees with all recorded packets, which may be compressed under any file name."""
    file = tmp_path / ("verdicts.json" if compressed else "verdicts.gz")
    packed = ORACLE.read_bytes()
    file.write_bytes(packed if compressed else gzip.decompress(packed))
    assert run("--replay", file) == Done(0, "17146 packets, 0 differ\n", "")


@RECORDED
def test_replay_differs(run: Runbook, tmp_path: Path) -> None:
    """Each packet with another verdict is a line with its case, and the status is 1."""
    cases = json.loads(gzip.decompress(ORACLE.read_bytes()))[:3]
    for case, packet in [(1, 0), (2, 5)]:
        recorded = cases[case]["packets"][packet]
        recorded["verdict"] = "REJECT" if recorded["verdict"] != "REJECT" else "ACCEPT"
    file = tmp_path / "some.json"
    file.write_text(json.dumps(cases))
    done = run("--replay", file)
    *lines, last = done.out.splitlines()
    assert done.status == 1
    assert [line.split(":")[0] for line in lines] == ["case 1", "case 2"]
    assert last == f"{sum(len(case['packets']) for case in cases)} packets, 2 differ"
