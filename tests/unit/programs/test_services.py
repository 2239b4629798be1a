"""Programs of the mesh, the edge, Docker, Portainer and the node's web server; what they call is a stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from phoenix.templating import shell_program
from tests.support.programs import ProgramHost

RULES = """\
table inet phoenix_mesh
delete table inet phoenix_mesh
table inet phoenix_mesh {
  set held {
    type inet_service
    flags timeout
    elements = { 80 timeout 30s, 443 timeout 30s, 8443 timeout 30s }
  }
  chain input {
    type filter hook input priority -10
    iifname != "lo" tcp flags & (syn | ack) == syn tcp dport @held counter drop
  }
}
"""


def pem(folder: Path, name: str) -> str:
    """A certificate of its own root."""
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    files = ["-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    return (folder / f"{name}.crt").read_text()


@pytest.fixture
def mesh(host: ProgramHost) -> ProgramHost:
    """The mesh's guest: a good certificate for a.lab.test, and one that does not verify for b.lab.test."""
    entries = [
        {"domain": {"main": f"{name}.lab.test"}, "certificate": b64encode(pem(host.here, name).encode()).decode()}
        for name in "ab"
    ]
    (host.here / "acme.json").write_text(json.dumps({"authority": {"Certificates": entries}}, indent=2))
    (host.here / "names").write_text("a.lab.test\n")
    host.stand_in("nft", '[ "$1" != -f ] || cat >"$HERE/rules"')
    host.stand_in("curl")
    host.stand_in("sleep")
    return host


def hold(mesh: ProgramHost, action: str) -> subprocess.CompletedProcess[str]:
    """One call of the program."""
    paths = {"storage": "acme.json", "config": "traefik.yml", "names": "names", "bundle": "a.crt"}
    values = {name: str(mesh.here / path) for name, path in paths.items()}
    ports = {"ports": "80 443 8443", "port": "8443", "challenge_port": "80", "ping_port": "8080"}
    more = {"user": "traefik", "ca_url": "https://ca.lab.test:9000", "seconds": "30"}
    text = shell_program("traefik/hold.sh", "holding/hold.sh", **values, **ports, **more)
    return mesh.execute(text, action, INVOCATION_ID="id")


def test_hold(mesh: ProgramHost) -> None:
    """New connections to all ports are dropped, for a while."""
    assert hold(mesh, "hold").returncode == 0
    assert (mesh.here / "rules").read_text() == RULES


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables")
def test_rules_are_nftables(tmp_path: Path) -> None:
    """The rules are accepted by nft, where the kernel lets it look."""
    done = subprocess.run(
        ["unshare", "-n", "nft", "-c", "-f", "-"], input=RULES, capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("this machine does not allow network namespaces")
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])


def test_authority_is_not_waited_for(mesh: ProgramHost) -> None:
    """With a good certificate for each name the CA is not asked."""
    assert hold(mesh, "authority").returncode == 0
    assert mesh.calls == []


@pytest.mark.parametrize(
    ("answers", "known", "status", "asked"), [("yes", "a", 0, 1), ("no", "a", 0, 10), ("no", "", 1, 120)]
)
def test_authority_is_waited_for(mesh: ProgramHost, answers: str, known: str, status: int, asked: int) -> None:
    """A missing certificate makes the start wait for the CA, longest if there is none yet; its name is printed."""
    (mesh.here / "names").write_text("a.lab.test\nb.lab.test\n")
    if not known:
        (mesh.here / "acme.json").write_text("{}")
    mesh.stand_in("curl", f"[ {answers} = yes ]")
    done = hold(mesh, "authority")
    assert (done.returncode, sum(call.startswith("curl") for call in mesh.calls)) == (status, asked)
    assert ("missing for" in done.stdout) == (answers == "no")
    assert done.stdout.endswith(" b.lab.test\n") or answers == "yes"


def test_release(mesh: ProgramHost) -> None:
    """Connections are let in once every route's name presents its certificate, and the CA's challenges before that."""
    assert hold(mesh, "release").returncode == 0
    routed, challenge, presented, table = mesh.calls
    assert routed == "curl -fsS --max-time 1 http://127.0.0.1:8080/ping http://127.0.0.1:8080/ready"
    assert challenge == "nft delete element inet phoenix_mesh held { 80 }"
    assert presented.endswith("--connect-to ::127.0.0.1:8443 https://a.lab.test/")
    assert table == "nft delete table inet phoenix_mesh"


def test_run(mesh: ProgramHost) -> None:
    """Traefik is started in a unit of its own, and the program ends when that does."""
    mesh.stand_in("systemd-run")
    mesh.stand_in("systemctl", "echo 42")
    mesh.stand_in("tail")
    assert hold(mesh, "run").returncode == 0
    assert "--unit=traefik-id.service" in mesh.calls[0]
    assert mesh.calls[0].endswith("/usr/local/bin/traefik --configFile=/traefik.yml")
    assert mesh.calls[-1].endswith("--pid=42")


def test_unknown_action(mesh: ProgramHost) -> None:
    """A word that is no action is refused."""
    assert hold(mesh, "good").returncode == 64


@pytest.mark.parametrize(
    ("text", "says"), [('{\n  "main": "a",\n  "key": "secret"\n}', '  "main": "a",\n'), ('{\n  "key', "torn\n")]
)
def test_look(host: ProgramHost, text: str, says: str) -> None:
    """Names and certificates are printed, keys are not, and a storage without its end is noticed."""
    (host.here / "acme.json").write_text(text)
    assert host.run(shell_program("traefik/look.sh", storage=str(host.here / "acme.json"), torn="torn")).stdout == says


@pytest.mark.parametrize("status", [0, 1])
def test_nginx_reload(host: ProgramHost, status: int) -> None:
    """Nginx is reloaded behind a hold of its ports, which ends afterward, also if the reload fails."""
    (host.here / "bundle").write_text("anchors")
    host.stand_in("nft", '[ "$1" != -f ] || cat >"$HERE/rules"')
    host.stand_in("nginx", f"exit {status}")
    host.stand_in("sleep")
    values = {"bundle": str(host.here / "bundle"), "anchors": str(host.here / "anchors")}
    text = shell_program("nginx/reload.sh", "holding/hold.sh", ports=(80, 443), **values)
    assert host.execute(text, MAINPID="999999999").returncode == status
    assert host.calls == ["nft -f -", "sleep 0.3", "nginx -s reload", "nft delete table inet phoenix_nginx"]
    assert "elements = { 80 timeout 10s, 443 timeout 10s }" in (host.here / "rules").read_text()
    assert (host.here / "anchors").read_text() == "anchors"


PORTAINER = r"""
for last; do :; done
out=/dev/null
while [ $# -gt 1 ]; do [ "$1" != -o ] || out=$2; shift; done
case $last in
  */auth) echo '{"jwt":"t0ken"}' >"$out"; [ ! -e "$HERE/locked" ] ;;
  */endpoints) if [ "$out" = "${out%answer}" ]; then cat "$HERE/known" >"$out"; else printf 200; fi ;;
esac
"""


def register(host: ProgramHost, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One call of the program."""
    files = {name: str(host.here / name) for name in ("password_file", "bundle", "certificate", "key", "mark")}
    text = shell_program(
        "portainer/register-agent.sh", port=9443, agents="app=app.lab.test:9001 web=web.lab.test:9001", **files
    )
    return host.execute(text, *arguments)


@pytest.fixture
def portainer(host: ProgramHost) -> ProgramHost:
    """Portainer's host; it knows one agent, which was registered with another certificate."""
    for name in ("password_file", "bundle", "certificate", "key"):
        (host.here / name).write_text(f"the {name}")
    (host.here / "known").write_text('[{"Id":1,"Name":"local"},{"Id":7,"Name":"app"}]')
    host.stand_in("curl", PORTAINER)
    host.stand_in("sleep")
    return host


def test_registration(portainer: ProgramHost) -> None:
    """An agent with an old certificate is replaced, a new one is added, and after that there is nothing to do."""
    assert register(portainer, "--check").returncode == 1
    assert not [call for call in portainer.calls if "DELETE" in call or "-F" in call]
    done = register(portainer)
    assert (done.returncode, done.stdout, done.stderr) == (0, "registered\n", "")
    assert [call.split()[-1] for call in portainer.calls if "DELETE" in call] == [
        "https://127.0.0.1:9443/api/endpoints/7"
    ]
    added = [call for call in portainer.calls if "EndpointCreationType" in call]
    assert ["-F Name=app " in added[0], "-F URL=tcp://web.lab.test:9001 " in added[1], len(added)] == [True, True, 2]
    assert not [call for call in portainer.calls if "t0ken" in call or "the password_file" in call]
    (portainer.here / "known").write_text('[{"Id":8,"Name":"app"},{"Id":9,"Name":"web"}]')
    assert register(portainer, "--check").stdout == "registered\n"


def test_refused_password(portainer: ProgramHost) -> None:
    """A password that Portainer refuses is an error that says what to do."""
    (portainer.here / "locked").touch()
    done = register(portainer)
    assert (done.returncode, "reset it with portainer/helper-reset-password)" in done.stdout) == (1, True)


def test_registration_is_repeated(host: ProgramHost) -> None:
    """A registration that fails is tried again, and checked at the end."""
    host.stand_in("register", 'echo x >>"$HERE/tries"; [ "$(wc -l <"$HERE/tries")" -gt 2 ]')
    host.stand_in("sleep")
    assert host.run(shell_program("portainer/wait.sh", register=str(host.bin / "register"))).returncode == 0
    assert host.calls == ["register ", "sleep 1", "register ", "sleep 1", "register ", "register --check"]


@pytest.mark.parametrize(("images", "status"), [("a:1 b:2", 0), ("a:1 bad:1 b:2", 1)])
def test_pull(host: ProgramHost, images: str, status: int) -> None:
    """All images are pulled, and one that cannot be makes the whole fail."""
    host.stand_in("docker", '[ "$3" != bad:1 ]')
    assert host.run(shell_program("docker/pull.sh", images=images)).returncode == status
    assert sorted(host.calls) == sorted(f"docker pull --quiet {image}" for image in images.split())


@pytest.mark.parametrize(("shown", "says"), [("a", "ours"), ("b", "another one"), ("", "none")])
def test_presented(host: ProgramHost, shown: str, says: str) -> None:
    """It is told whether the web server presents the leaf, another certificate, or none."""
    for name in "ab":
        pem(host.here, name)
    (host.here / "shown").write_text((host.here / f"{shown}.crt").read_text() if shown else "")
    real = subprocess.check_output(["which", "openssl"], text=True).strip()
    host.stand_in("openssl", f'case $1 in s_client) cat "$HERE/shown" ;; *) exec {real} "$@" ;; esac')
    assert host.run(f"{functions(host)}presented").stdout == f"{says}\n"
    assert "openssl s_client -connect 10.0.0.2:8006" in host.calls


@pytest.mark.parametrize(("custom", "says"), [("a", "ours\n"), ("b", ""), ("absent", "")])
def test_kept(host: ProgramHost, custom: str, says: str) -> None:
    """The web server's certificate is the estate's if it fits the leaf's key."""
    for name in "ab":
        pem(host.here, name)
    assert host.run(f"{functions(host, custom)}kept").stdout == says


@pytest.mark.parametrize("presents", ["ours", "another one"])
def test_hand_over(host: ProgramHost, presents: str) -> None:
    """The leaf is handed over, and it is an error if the web server does not present it after that."""
    host.stand_in("sleep")
    around = f'start_unit() {{ echo start $1; }}\nfail() {{ echo "$1"; return 1; }}\n{functions(host)}'
    done = host.run(f"{around}presented() {{ echo '{presents}'; }}\nhand_over")
    assert (done.returncode, done.stdout.splitlines()[0]) == (int(presents != "ours"), "start web.service")


def functions(host: ProgramHost, custom: str = "absent") -> str:
    """The functions with their values."""
    files = {"certificate": "a.crt", "key": "a.key", "custom": f"{custom}.crt"}
    values = {name: str(host.here / file) for name, file in files.items()}
    return shell_program(
        "proxmox/web-certificate.sh", address="10.0.0.2:8006", leaf="ours", unit="web.service", **values
    )
