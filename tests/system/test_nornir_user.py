"""A Nornir user's own script: InitNornir, our tasks, nornir-utils; the scripts are those of docs/nornir.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from phoenix.lab.places import LabPlaces
from tests.support.places import ROOT
from tests.system import bench

SCRIPT, TASK = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "nornir.md").read_text("utf-8"), re.DOTALL)
PEERS = "ss -Htn state established sport = :22 | awk '{ print $4 }'"
CONNECT = f"""
from nornir import InitNornir
from nornir.core.task import Result, Task

{TASK}

def connections(task):
    shell = task.host.get_connection("phoenix_host", task.nornir.config)
    return Result(task.host, result=shell.run("{PEERS}").out.split())


with InitNornir(config_file="config.yaml") as nornir:
    results = nornir.filter(filter_func=lambda host: host.hostname is not None).run(task=uptime)
    for name, result in results.items():
        print(name, result[0].result if result.failed else result[0].result.strip())
    print("connections:", *nornir.filter(name="pve").run(task=connections)["pve"][0].result)
"""
BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
SITE = "/etc/nginx/conf.d/phoenix.conf"
UNWANTED = "# written by hand"


def run(script: str) -> str:
    """Run a script in the repository with the lab's access file; it must succeed. Return what it printed."""
    environment = {**os.environ, "PHOENIX_ACCESS": str(LabPlaces.of_environment().access)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def changed(output: str) -> dict[str, bool]:
    """Whether each host was changed, by the blocks that print_result writes; later tasks add to earlier ones."""
    hosts = re.findall(r"^\* (\S+) \*\* changed : (True|False)", re.sub(r"\x1b\[\d*m", "", output), re.MULTILINE)
    states: dict[str, bool] = {}
    for name, state in hosts:
        states[name] = states.get(name, False) or state == "True"
    return states


@pytest.mark.usefixtures("estate")
def test_script() -> None:
    """The documented script pushes trust where it was lost, and only shows what the edge's configuration lacks."""
    assert set(changed(run(SCRIPT)).items()) == {(name, False) for name in bench.TRUSTED}
    lost = bench.inside("granite-3b", f"mv {BUNDLE} /root/kept")
    edited = bench.inside("nginx-gateway", f"echo '{UNWANTED}' >>{SITE}")
    try:
        assert (lost[0], edited[0]) == (0, 0)
        output = run(SCRIPT)
        assert {name for name, state in changed(output).items() if state} == {"granite-3b", "nginx-gateway"}
        assert f"-{UNWANTED}" in output
        assert bench.inside("granite-3b", f"cmp {BUNDLE} /root/kept") == (0, "")
        assert bench.inside("nginx-gateway", f"grep -c '{UNWANTED}' {SITE}") == (0, "1\n")
    finally:
        bench.inside("nginx-gateway", f"sed -i '/^{UNWANTED}$/d' {SITE}")
        bench.inside("granite-3b", "rm -f /root/kept")
    assert not any(changed(run(SCRIPT)).values())


@pytest.mark.usefixtures("estate")
def test_connections() -> None:
    """A task without a run gets a root shell on each host, and all hosts share one connection to the hypervisor."""
    others = bench.sh("pve", PEERS).split()  # a controller that a test killed leaves one for a while
    lines = run(CONNECT).splitlines()
    assert {
        line.split()[0]: " up " in f"{line} " for line in lines if line and not line.startswith("connections:")
    } == dict.fromkeys(("pve", *bench.GUESTS), True)
    (peers,) = (line.split()[1:] for line in lines if line.startswith("connections:"))
    assert len(set(peers) - set(others)) == 1
