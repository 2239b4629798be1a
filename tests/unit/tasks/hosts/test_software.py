"""Packages and pinned programs of each kind of host, and what replaces them."""

from __future__ import annotations

import subprocess
from typing import cast

import pytest

from phoenix.converge import Observation, Resource
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.tasks.hosts.software import software_resources
from phoenix.tasks.support.artifacts import MissingArtifact
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_group, without_guest

BASE = "install packages ca-certificates curl openssl"
NO_VMS = without_guest(without_guest(example(), "drphoenix"), "portainer")
WEB = with_host(example(), "pve", web_certificate=True)


def software(name: str, estate: Estate | None = None) -> tuple[Resource, ...]:
    """What a host of an estate should have installed."""
    estate = estate or example()
    return software_resources(planning_run(estate), cast("Hypervisor | Guest", estate.host(name)))


@pytest.mark.parametrize(
    ("estate", "name", "changes"),
    [
        (example(), "pve", ["install packages dnsmasq-base nfs-kernel-server"]),
        (NO_VMS, "pve", ["install packages dnsmasq-base"]),
        (WEB, "pve", ["install packages dnsmasq-base nfs-kernel-server", "install program step 1.0"]),
        (example(), "step-ca", [BASE, "install program step 1.0", "install program step-ca 1.0"]),
        (example(), "traefik", [f"{BASE} nftables", "install program step 1.0", "install program traefik 1.0"]),
        (example(), "nginx-gateway", [f"{BASE} nginx nftables logrotate", "install program step 1.0"]),
        (example(), "portainer", [f"{BASE} docker.io nfs-common", "install program step 1.0"]),
        (
            example(),
            "drphoenix",
            [f"{BASE} docker.io nginx nftables logrotate nfs-common", "install program step 1.0"],
        ),
        (example(), "ollama", ["install packages ca-certificates"]),
    ],
)
def test_empty_host(estate: Estate, name: str, changes: list[str]) -> None:
    """Each feature of a host brings its packages and programs; an external workload gets only what trust needs."""
    assert SimulatedHost().plan(software(name, estate)) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("uninstall", "nginx", ["install packages nginx"]),
        ("remove", "/usr/local/bin/step", ["install program step 1.0"]),
        ("chmod", "/usr/local/bin/step", ["update program step 1.0"]),
        ("chown", "/usr/local/bin/step", ["update program step 1.0"]),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """A missing package is installed alone, and another program is replaced."""
    assert drifted(software("nginx-gateway"), kind, subject) == changes


def test_interrupted_installation() -> None:
    """After an interrupted installation all packages are installed again, although dpkg lists them."""
    host = SimulatedHost().converge(software("ollama"))
    host.outputs["interrupted installation"] = "/usr/sbin/policy-rc.d\n"
    assert host.plan(software("ollama")) == ["install packages ca-certificates"]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (example(), without_group(example(), "nginx-gateway", "nginx"), []),
        (without_group(example(), "nginx-gateway", "nginx"), example(), ["install packages nginx nftables logrotate"]),
    ],
)
def test_group(before: Estate, after: Estate, changes: list[str]) -> None:
    """A new group installs its packages; packages of a group that is removed stay, because others may use them."""
    assert migrated(software("nginx-gateway", before), software("nginx-gateway", after)) == changes


def test_missing_artifact() -> None:
    """A dry run announces a program that the controller has not obtained yet."""
    resources = software_resources(planning_run(example(), artifacts={}), example().guest("traefik"))
    assert SimulatedHost().plan(resources)[1:] == ["install program step", "install program traefik"]


def test_missing_artifact_is_not_installed() -> None:
    """Applying such a plan fails with the command that obtains the program, instead of reporting an installation."""
    (change,) = MissingArtifact("step").changes(Observation())
    done = subprocess.run(["sh", "-c", change.script], capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (1, "the controller has not obtained it: run phoenix artifacts\n")
