"""Stores beside the system's own: Java's and NSS's by their real tools where this machine has them, the environment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from phoenix.converge import ApplyError
from phoenix.pki.bundle import Bundle, read_bundle
from tests.unit.tasks.trust.test_system_store import OTHER, R1, R2, ROOT_ONLY, Machine, anchor

pytestmark = ROOT_ONLY
KEYTOOL, CERTUTIL = shutil.which("keytool"), shutil.which("certutil")
QUICK_START = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""Options of a Java runtime that runs for a moment: its start takes half of the time."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host in a temporary directory."""
    return Machine(tmp_path)


def alias(pem: str) -> str:
    """What an anchor is called in other stores."""
    return f"phoenix_ca_{Bundle((pem,)).fingerprints[0][:8]}"


@pytest.mark.skipif(KEYTOOL is None, reason="needs Java")
@pytest.mark.timeout(150)
def test_java(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java runtime with a store of its own gets the anchors and loses withdrawn ones; others in it stay."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", QUICK_START)
    home = machine.here / "opt/jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin/keytool").symlink_to(str(KEYTOOL))
    store = home / "lib/security/cacerts"
    store.parent.mkdir(parents=True)
    (machine.here / "theirs.crt").write_text(anchor("Theirs"))
    keytool = ["keytool", "-keystore", str(store), "-storepass", "changeit", "-noprompt"]
    options = ["-alias", "theirs", "-file", str(machine.here / "theirs.crt")]
    subprocess.run([*keytool, "-importcert", *options], check=True, capture_output=True)
    for anchors in ((R1, R2), (R2,), ()):
        assert any(f"trust store {store}" in change for change in machine.converge(*anchors))
        said = subprocess.run([*keytool, "-list"], check=True, capture_output=True, text=True).stdout
        assert set(re.findall(r"^(\w+),", said, re.MULTILINE)) == {"theirs", *map(alias, anchors)}
        assert machine.converge(*anchors) == []


@pytest.mark.skipif(CERTUTIL is None, reason="needs libnss3-tools")
def test_nss(machine: Machine) -> None:
    """A database of NSS gets the anchors as authorities for servers, and loses withdrawn ones."""
    database = machine.here / "root/.pki/nssdb"
    database.mkdir(parents=True)
    subprocess.run([str(CERTUTIL), "-N", "-d", f"sql:{database}", "--empty-password"], check=True)
    for anchors in ((R1,), (R1, R2), (R2, OTHER), (OTHER,), ()):
        assert machine.converge(*anchors)
        said = [str(CERTUTIL), "-L", "-d", f"sql:{database}"]
        names = re.findall(r"^(phoenix_ca_\w+) +C,,", subprocess.check_output(said, text=True), re.MULTILINE)
        held = "".join(subprocess.check_output([*said, "-n", name, "-a"], text=True) for name in set(names))
        assert sorted(Bundle(read_bundle(held).anchors).fingerprints if held else ()) == sorted(
            Bundle(anchors).fingerprints
        )
        assert machine.converge(*anchors) == []


@pytest.mark.skipif(CERTUTIL is None, reason="needs libnss3-tools")
def test_nss_behind_a_password(machine: Machine) -> None:
    """A locked database is refused, run after run, with what its owner must do; done so, it counts as served."""
    database, password = machine.here / "root/.pki/nssdb", machine.here / "password"
    database.mkdir(parents=True)
    password.write_text("a password\n")
    subprocess.run([str(CERTUTIL), "-N", "-d", f"sql:{database}", "-f", str(password)], check=True)
    with pytest.raises(ApplyError, match="SEC_ERROR_BAD_PASSWORD"):
        machine.converge(R1)
    with pytest.raises(ApplyError, match=r"locked by a password, its owner must run: certutil -A .*") as refused:
        machine.converge(R1)
    assert "phoenix_ca" not in subprocess.check_output([str(CERTUTIL), "-L", "-d", f"sql:{database}"], text=True)
    command = str(refused.value).partition("must run: ")[2].split()
    subprocess.run([*command, "-f", str(password)], check=True)
    machine.converge(R1)
    assert machine.converge(R1) == []


def test_nss_tool_is_installed_where_a_database_is(machine: Machine) -> None:
    """A database without its tool makes the tool come; a host without a database never gets it."""
    machine.hide("certutil")
    machine.program("bin/apt-get", f'echo "$*" >>{machine.here}/apt.log; ln -s ../tool {machine.here}/bin/certutil')
    machine.program("tool", f'echo "$*" >>{machine.here}/certutil.log')
    (machine.here / "run").mkdir(exist_ok=True)
    machine.converge(R1)
    assert machine.noted("apt") == []
    database = machine.here / "etc/pki/nssdb"
    database.mkdir(parents=True)
    (database / "cert9.db").touch()
    machine.converge(R1)
    assert any("libnss3-tools" in line for line in machine.noted("apt"))
    assert any("-t C,," in line for line in machine.noted("certutil"))


@pytest.mark.parametrize("kind", ["certifi", "node"])
def test_environment(machine: Machine, kind: str) -> None:
    """Variables are set where something listens to them, for shells and services, and go with it."""
    if kind == "certifi":
        found = machine.here / "opt/app/lib/python3.11/site-packages/certifi/cacert.pem"
    else:
        found = machine.here / "usr/local/bin/node"
    found.parent.mkdir(parents=True, exist_ok=True)
    found.touch(mode=0o755)
    name = {"certifi": "REQUESTS_CA_BUNDLE", "node": "NODE_EXTRA_CA_CERTS"}[kind]
    machine.converge(R1)
    paths = [machine.here / path for path in (
        "etc/profile.d/phoenix-trust.sh", "etc/environment.d/90-phoenix-trust.conf",
        "etc/systemd/system.conf.d/phoenix-trust.conf",
    )]  # fmt: skip
    assert [name in path.read_text() for path in paths] == [True] * 3
    assert "daemon-reload" in machine.noted("systemctl")
    assert machine.converge(R1) == []
    found.unlink()
    machine.converge(R1)
    assert [path.exists() for path in paths] == [False] * 3


def test_nothing_is_invented(machine: Machine) -> None:
    """A host with the system's store only gets its anchor and the bundle, and no other file."""
    machine.converge(R1)
    made = {path.name for path in machine.here.rglob("*") if path.is_file() and path.stat().st_mtime > 0}
    assert not {name for name in made if "trust" in name or name in {"cert9.db", "cacerts"}}
