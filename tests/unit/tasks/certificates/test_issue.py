"""Leaves of a host with their programs and timers: what is issued, renewed, corrected and removed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix.converge import Resource
from phoenix.derive.certificates import server_leaf
from phoenix.estate import Estate, Mount, Service, Validity
from phoenix.pki.bundle import Bundle, SeenAuthority
from phoenix.tasks.certificates.issue import certificate_resources
from tests.support.converged import Drift, Entry, SimulatedHost, drifted, migrated
from tests.support.estate_ca import AUTHORITY, OTHER_ROOT, ROTATING, issued
from tests.support.estates import estate, guest
from tests.support.runs import planning_run, with_host
from tests.unit.phoenix.pki.certificates import public

PROGRAMS, UNITS, TLS = "/usr/local/lib/phoenix", "/etc/systemd/system", "/etc/phoenix/tls"
HTTPS = Service(port=8443, scheme="https", tls="server", clients=("edge",))
MUTUAL = Service(port=9001, scheme="https", tls="mutual", clients=("app",))
SMALL = estate(
    guest("app", 20, "lxc", services={"web": HTTPS}),
    guest("agent", 21, "lxc", services={"agent": MUTUAL}),
)


def leaves(of: Estate, name: str, authority: SeenAuthority | None = AUTHORITY) -> tuple[Resource, ...]:
    """What a host of an estate should have for its leaves."""
    run = planning_run(of, authority)
    return certificate_resources(run, next(host for host in of.live() if host.name == name))


def scheduled(*stems: str) -> list[str]:
    """Renewal units of leaves that are written and started."""
    timers = [f"phoenix-renew-{stem}.timer" for stem in stems]
    files = [f"create file {UNITS}/phoenix-renew-{stem}.{suffix}" for stem in stems for suffix in ("service", "timer")]
    return [*files, *(f"enable unit {timer}" for timer in timers), *(f"start unit {timer}" for timer in timers)]


MOUNTED = with_host(SMALL, "app", mounts=(Mount(source="tls", target=TLS),))
WEB = with_host(SMALL, "pve", web_certificate=True)


@pytest.mark.parametrize(
    ("of", "name", "changes"),
    [
        (
            SMALL,
            "app",
            [
                f"create directory {PROGRAMS}",
                f"create directory {TLS}",
                f"create file {PROGRAMS}/renew-agent-client",
                f"create file {PROGRAMS}/renew-web",
                f"issue certificate {TLS}/agent-client.crt",
                f"issue certificate {TLS}/web.crt",
                *scheduled("agent-client", "web"),
            ],
        ),
        (
            SMALL,
            "agent",
            [
                f"create directory {PROGRAMS}",
                f"create directory {TLS}",
                f"create file {PROGRAMS}/renew-agent",
                f"issue certificate {TLS}/agent.crt",
                *scheduled("agent"),
            ],
        ),
        (
            WEB,
            "pve",
            [
                f"create directory {PROGRAMS}",
                f"create directory {TLS}",
                f"create file {PROGRAMS}/renew-pve-web",
                f"issue certificate {TLS}/pve_web.crt",
                *scheduled("pve-web"),
            ],
        ),
        (SMALL, "mesh", []),
        (SMALL, "ca", []),
        (SMALL, "pve", []),
    ],
)
def test_empty_host(of: Estate, name: str, changes: list[str]) -> None:
    """Each leaf brings its program and its timer; hosts without a leaf, the mesh among them, get none of it."""
    assert SimulatedHost().plan(leaves(of, name)) == changes


def test_mounted_directory() -> None:
    """A directory that is mounted belongs to its mount, and is left alone."""
    plan = SimulatedHost().plan(leaves(MOUNTED, "app"))
    assert f"create directory {TLS}" not in plan
    assert f"issue certificate {TLS}/web.crt" in plan


TIMER = "phoenix-renew-web.timer"


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("remove", f"{TLS}/web.crt", [f"issue certificate {TLS}/web.crt"]),
        ("edit", f"{TLS}/web.crt", [f"issue certificate {TLS}/web.crt"]),
        ("remove", f"{TLS}/web.key", [f"issue certificate {TLS}/web.crt"]),
        ("answer", f"public key of {TLS}/web.key", [f"issue certificate {TLS}/web.crt"]),
        ("chmod", f"{TLS}/web.key", [f"issue certificate {TLS}/web.crt"]),
        ("chown", f"{TLS}/web.key", [f"update certificate {TLS}/web.crt"]),
        ("chmod", f"{TLS}/web.crt", [f"update certificate {TLS}/web.crt"]),
        ("add", f"{TLS}/.phoenix-next-web", [f"update certificate {TLS}/web.crt"]),
        ("chmod", TLS, [f"update directory {TLS}"]),
        ("edit", f"{PROGRAMS}/renew-web", [f"update file {PROGRAMS}/renew-web"]),
        ("edit", f"{UNITS}/{TIMER}", [f"update file {UNITS}/{TIMER}", f"restart unit {TIMER}"]),
        ("edit", f"{UNITS}/phoenix-renew-web.service", [f"update file {UNITS}/phoenix-renew-web.service"]),
        ("stop", TIMER, [f"start unit {TIMER}"]),
        ("disable", TIMER, [f"enable unit {TIMER}"]),
        ("add", f"{PROGRAMS}/renew-old", [f"remove certificate of {PROGRAMS}/renew-old"]),
        ("add", f"{PROGRAMS}/own", []),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """A key that others could read is replaced; other drifts are corrected without a new key."""
    assert drifted(leaves(SMALL, "app"), kind, subject) == changes


ISSUED = [f"issue certificate {TLS}/agent-client.crt", f"issue certificate {TLS}/web.crt"]


@pytest.mark.parametrize(
    ("authority", "changes"),
    [
        (AUTHORITY, []),
        (ROTATING, []),
        (None, ISSUED),
        (replace(AUTHORITY, bundle=Bundle((OTHER_ROOT,))), ISSUED),
        (replace(AUTHORITY, issuer=OTHER_ROOT), ISSUED),
        (replace(AUTHORITY, provisioner="another-key"), ISSUED),
    ],
)
def test_other_authority(authority: SeenAuthority | None, changes: list[str]) -> None:
    """A leaf is issued again for another root, signer or provisioner, and not for a further anchor."""
    host = SimulatedHost().converge(leaves(SMALL, "app"))
    assert host.plan(leaves(SMALL, "app", authority)) == changes


ALIASED = HTTPS.model_copy(update={"aliases": ("web.old.test",)})
SHORT = HTTPS.model_copy(update={"certificate": Validity.model_validate({"lifetime": "2d", "renew_before": "2h"})})


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (with_host(SMALL, "app", services={}), [f"remove certificate of {PROGRAMS}/renew-web"]),
        (with_host(SMALL, "agent", services={}), [f"remove certificate of {PROGRAMS}/renew-agent-client"]),
        (
            with_host(with_host(SMALL, "agent", services={}), "app", services={}),
            [f"remove certificate of {PROGRAMS}/renew-{stem}" for stem in ("agent-client", "web")],
        ),
        (
            with_host(SMALL, "app", services={"web": ALIASED}),
            [f"issue certificate {TLS}/web.crt"],
        ),
        (
            with_host(SMALL, "app", services={"web": SHORT}),
            [
                f"update file {PROGRAMS}/renew-web",
                f"issue certificate {TLS}/web.crt",
                f"update file {UNITS}/{TIMER}",
                f"restart unit {TIMER}",
            ],
        ),
    ],
)
def test_other_services(after: Estate, changes: list[str]) -> None:
    """A leaf follows its service's names and validity, and goes with its service."""
    assert migrated(leaves(SMALL, "app"), leaves(after, "app")) == changes


def test_due_leaf_is_renewed() -> None:
    """A leaf that is due is renewed by its program on its host."""
    due = Validity.model_validate({"lifetime": "7d", "renew_before": "167h"})
    host = SimulatedHost().converge(leaves(SMALL, "app"))
    after = with_host(SMALL, "app", services={"web": HTTPS.model_copy(update={"certificate": due})})
    assert [change for change in host.plan(leaves(after, "app")) if TLS in change] == [
        f"renew certificate {TLS}/web.crt"
    ]


def test_chain_of_another_leaf() -> None:
    """The certificate of another leaf in the leaf's place is replaced, although its chain is valid."""
    host = SimulatedHost().converge(leaves(SMALL, "app"))
    other = server_leaf(SMALL, "agent")
    host.paths[f"{TLS}/web.crt"] = Entry(issued(other).encode())
    host.outputs[f"public key of {TLS}/web.key"] = public(other.name)
    assert host.plan(leaves(SMALL, "app")) == [f"issue certificate {TLS}/web.crt"]
