"""Renewal and removal of leaves on their host; step, systemctl and curl are stand-ins, openssl is the real one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from phoenix.converge import Observation
from phoenix.derive.certificates import leaves_of
from phoenix.tasks.certificates import leaf_resource
from phoenix.tasks.certificates.leaf_resource import RENEWAL_PROGRAMS, ObsoleteLeaves
from phoenix.templating import shell_program
from tests.support.inventories import example
from tests.support.programs import ProgramHost

LEAVES = leaves_of(example(), "portainer")


class Files(NamedTuple):
    """The files of a leaf, in a directory whose name needs quotes."""

    crt: Path
    key: Path
    next: Path


@pytest.fixture
def files(host: ProgramHost) -> Files:
    """A leaf that its host has."""
    folder = host.here / "it's"
    folder.mkdir()
    files = Files(folder / "a.crt", folder / "a.key", folder / ".next")
    files.crt.write_text("old certificate")
    files.key.write_text("old key")
    return files


def renewal(host: ProgramHost, files: Files, verb: str = "reload", unit: str = "nginx.service") -> str:
    """The program that renews the leaf."""
    paths = {name: str(path) for name, path in files._asdict().items()} | {"lock": str(host.here / "run/lock/phoenix")}
    return shell_program(
        "certificates/renew.sh", **paths, verb=verb, unit=unit, unit_files=str(host.here / "units"), owner="root:root",
        renew_before="8h", ca_url="https://ca.lab.test:9000", bundle="/bundle.crt",
    )  # fmt: skip


def ready(files: Files) -> None:
    """Put a complete new pair beside the old one."""
    files.next.mkdir()
    for name, text in (("crt", "new certificate"), ("key", "new key"), ("complete", "")):
        (files.next / name).write_text(text)


@pytest.mark.parametrize(
    ("verb", "unit", "told"),
    [
        ("reload", "nginx.service", ["systemctl is-active --quiet nginx.service", "systemctl reload nginx.service"]),
        ("start", "present.service", ["systemctl start present.service"]),
        ("start", "absent.service", []),
        ("", "", []),
    ],
)
def test_finish(host: ProgramHost, files: Files, verb: str, unit: str, told: list[str]) -> None:
    """A pair that is ready takes the old one's place, and its service is reloaded if there is one."""
    host.stand_in("systemctl")
    (host.here / "units").mkdir()
    (host.here / "units/present.service").touch()
    ready(files)
    done = host.execute(renewal(host, files, verb, unit), "finish")
    assert (done.returncode, done.stderr, host.calls) == (0, "", told)
    assert (files.crt.read_text(), files.key.read_text(), files.next.exists()) == ("new certificate", "new key", False)


def test_service_that_does_not_reload(host: ProgramHost, files: Files) -> None:
    """After a reload that failed the program fails and keeps its note, so that the next call reloads again."""
    host.stand_in("systemctl", '[ "$1" != reload ]')
    ready(files)
    done = host.execute(renewal(host, files), "finish")
    assert (done.returncode, "reload nginx.service failed" in done.stderr) == (1, True)
    assert (files.next / "complete").exists()


def test_half_a_pair_is_dropped(host: ProgramHost, files: Files) -> None:
    """A pair that is not complete is removed, and the old one stays."""
    host.stand_in("systemctl")
    ready(files)
    (files.next / "complete").unlink()
    assert host.execute(renewal(host, files), "finish").returncode == 0
    assert (files.crt.read_text(), files.next.exists(), host.calls) == ("old certificate", False, [])


def test_renewal(host: ProgramHost, files: Files) -> None:
    """A due leaf is renewed under the lock with its own key, and its service is reloaded."""
    host.stand_in("step", 'if [ "$1" = ca ]; then echo new >"$6"; fi')
    host.stand_in("openssl")
    host.stand_in("systemctl")
    done = host.execute(renewal(host, files))
    assert (done.returncode, done.stderr) == (0, "")
    assert (files.crt.read_text(), files.key.read_text()) == ("new\n", "old key")
    assert host.calls[0].startswith("step certificate needs-renewal --expires-in 8h")
    assert "--ca-url https://ca.lab.test:9000 --root /bundle.crt" in host.calls[1]
    assert host.calls[-1] == "systemctl reload nginx.service"
    assert (host.here / "run/lock/phoenix").exists()


@pytest.mark.parametrize(("status", "end"), [(1, 0), (2, 1)])
def test_nothing_is_due(host: ProgramHost, files: Files, status: int, end: int) -> None:
    """A leaf that is not due stays without a request; one that cannot be read is an error."""
    host.stand_in("step", f"exit {status}")
    done = host.execute(renewal(host, files), "renew")
    assert (done.returncode, len(host.calls), files.crt.read_text()) == (end, 1, "old certificate")


def test_refused_renewal(host: ProgramHost, files: Files) -> None:
    """If the CA refuses, the old leaf stays, the reason is told with the date, and the next call can try again."""
    host.stand_in("step", '[ "$1" = certificate ]')
    host.stand_in("openssl", "echo 'notAfter=Jan  1 00:00:00 2030 GMT'")
    done = host.execute(renewal(host, files), "renew")
    assert (done.returncode, files.crt.read_text(), files.next.exists()) == (1, "old certificate", False)
    assert f"{files.crt} was not renewed, it is good until Jan  1 00:00:00 2030 GMT" in done.stderr


def test_obsolete_leaves(host: ProgramHost, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removal finds the files of programs of this and of the previous release, and spares those of declared leaves."""
    programs, units = host.here / "programs", host.here / "units"
    for folder in (programs, units, host.here / "plain"):
        folder.mkdir()
    monkeypatch.setattr(leaf_resource, "SYSTEMD", str(units))
    monkeypatch.setattr(leaf_resource, "renewal_program", lambda stem: f"{programs}/renew-{stem}")
    host.stand_in("systemctl")
    plain = Files(*(host.here / "plain" / name for name in ("b.crt", "b.key", ".next")))
    ready(files)
    ready(plain)
    for path in (plain.crt, plain.key):
        path.write_text("old")
    (programs / "renew-new").write_text(renewal(host, files))
    (programs / "renew-old").write_text(f"#!/bin/sh\ncrt={plain.crt}\nkey={plain.key}\nnext={plain.next}\numask 077\n")
    for name in ("phoenix-renew-new.timer", "phoenix-renew-new.service", "phoenix-renew-old.timer"):
        (units / name).touch()
    obsolete = ObsoleteLeaves(LEAVES)
    obsolete.files.add(str(plain.key))
    listed = (f"{programs}/renew-new", f"{programs}/renew-old")
    change, second = obsolete.changes(Observation(listings={RENEWAL_PROGRAMS: listed}))
    assert (change.resource, second.script) == (f"certificate of {programs}/renew-new", "")
    done = host.run(change.script)
    assert (done.returncode, done.stderr) == (0, "")
    assert host.calls == [
        "systemctl disable --quiet --no-reload --now phoenix-renew-new.timer phoenix-renew-old.timer",
        "systemctl daemon-reload",
    ]
    assert [path for folder in (programs, units, files.crt.parent) for path in folder.iterdir()] == []
    assert list(plain.crt.parent.iterdir()) == [plain.key]


def test_signed_and_trusted(host: ProgramHost, tmp_path: Path) -> None:
    """A leaf by another issuer and a store without the root are named, and the others are not."""
    for name in ("one", "two"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj",
             f"/CN={name}", "-keyout", "/dev/null", "-out", tmp_path / f"{name}.crt"], check=True, capture_output=True,
        )  # fmt: skip
    issuer, leaves = (
        (tmp_path / "one.crt").read_text().strip(),
        [str(tmp_path / f"{name}.crt") for name in ("one", "two")],
    )
    done = host.run(shell_program("proof/signed.sh", issuer=issuer, leaves=leaves))
    assert (done.stdout.split(), done.stderr) == ([leaves[1]], "")
    (tmp_path / "store").mkdir()
    values = {"store": str(tmp_path / "store"), "store_bundle": leaves[0], "bundle": leaves[1]}
    done = host.run(shell_program("proof/trusted.sh", issuer=issuer, **values))
    assert (done.stdout.split(), done.stderr) == ([str(tmp_path / "store"), leaves[1]], "")
