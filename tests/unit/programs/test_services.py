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
out=/dev/stdout new=
while [ $# -gt 1 ]; do case $1 in -o) out=$2 ;; --data) new=$2 ;; esac; shift; done
case $last in
  */status) [ ! -e "$HERE/down" ] || exit 7 ;;
  */auth) echo '{"jwt":"t0ken"}' >"$out"; [ ! -e "$HERE/locked" ] ;;
  */tags) if [ "$new" ]; then echo '{"ID":5,"Name":"phoenix-lab.test"}'; else cat "$HERE/tags" >"$out"; fi ;;
  */endpoints?*) cat "$HERE/known" >"$out" ;;
  */endpoints) printf 200 ;;
esac
"""
API = "https://127.0.0.1:9443/api"
HASH = 64 * "a"


def register(
    host: ProgramHost, *arguments: str, agents: str = "app=app.lab.test:9001 web=web.lab.test:9001"
) -> subprocess.CompletedProcess[str]:
    """One call of the program."""
    files = {name: str(host.here / name) for name in ("password_file", "bundle", "certificate", "key", "mark")}
    values: dict[str, str | int] = {
        "port": 9443,
        "unit": "portainer.service",
        "tag": "phoenix-lab.test",
        "agents": agents,
    }
    return host.execute(shell_program("portainer/register-agent.sh", **values | files), *arguments)


def know(host: ProgramHost, *environments: tuple[int, str, str], ours: tuple[int, ...]) -> None:
    """Have Portainer know environments, of which some have the estate's tag, and another tag that is on all."""
    known = [{"Id": id_, "Name": name, "Type": 2, "URL": url, "TLSConfig": {}} for id_, name, url in environments]
    (host.here / "known").write_text(json.dumps(known, separators=(",", ":")))
    tags = {"phoenixXlab.test": [one[0] for one in environments], "phoenix-lab.test": ours}
    listed = [
        {"ID": id_, "Name": name, "Endpoints": dict.fromkeys(map(str, ids), True), "EndpointGroups": {}}
        for id_, (name, ids) in enumerate(tags.items(), 4)
    ]
    (host.here / "tags").write_text(json.dumps(listed, separators=(",", ":")))


@pytest.fixture
def portainer(host: ProgramHost) -> ProgramHost:
    """Portainer's host; both agents are registered with the current certificate, beside an operator's environment."""
    for name in ("password_file", "bundle", "certificate", "key"):
        (host.here / name).write_text(f"the {name}")
    host.stand_in("curl", PORTAINER)
    host.stand_in("sleep")
    host.stand_in("systemctl", 'printf 0 >"$HERE/asked"; [ ! -e "$HERE/stopped" ]')
    know(host, ours=())
    assert register(host).returncode == 0
    (host.here / "calls").unlink()
    know(host, LOCAL, APP, WEB, ours=(7, 9))
    return host


LOCAL = (1, "local", "unix:///var/run/docker.sock")
APP, WEB = (7, "app", "tcp://app.lab.test:9001"), (9, "web", "tcp://web.lab.test:9001")
OWN_APP = (3, "app", "tcp://192.0.2.1:9001")
OLD = (11, "old", "tcp://old.lab.test:9001")


@pytest.mark.parametrize(
    ("known", "mark", "said", "made"),
    [
        (((LOCAL, APP, WEB), (7, 9)), None, "registered", ([], [])),
        (((LOCAL, APP), (7,)), None, "absent", ([], ["web"])),
        (((LOCAL, APP, WEB), (7, 9)), f"tagged {HASH}", "certificate", ([7], ["app"])),
        (((LOCAL, OWN_APP, WEB), (3, 9)), None, "differs", ([3], ["app"])),
        (((LOCAL, APP, WEB), (9,)), HASH, "differs", ([7], ["app"])),
        (((LOCAL, OWN_APP, WEB), (9,)), HASH, "foreign", None),
        (((LOCAL, APP, WEB), (9,)), None, "foreign", None),
        (((LOCAL, APP, WEB, OLD), (7, 9, 11)), None, "removed", ([11], [])),
        (((LOCAL, APP, WEB, OLD), (7, 9)), None, "registered", ([], [])),
    ],
    ids=["same", "new", "renewed", "moved", "before tags", "same name", "same address", "removed", "another's"],
)
def test_registration(
    portainer: ProgramHost,
    known: tuple[tuple[tuple[int, str, str], ...], tuple[int, ...]],
    mark: str | None,
    said: str,
    made: tuple[list[int], list[str]] | None,
) -> None:
    """Only environments with the estate's tag are replaced or removed; one of the same name without it is refused."""
    know(portainer, *known[0], ours=known[1])
    if mark:
        (portainer.here / "mark" / "app").write_text(mark)
    assert register(portainer, "--check").stdout == f"{said}\n"
    assert not [call for call in portainer.calls if "DELETE" in call or "-F" in call]
    done = register(portainer)
    calls = portainer.calls
    deleted = [int(call.rpartition("/")[2]) for call in calls if "DELETE" in call]
    added = [call.partition("-F Name=")[2].split()[0] for call in calls if "-F" in call]
    assert not [call for call in calls if "-F" in call and "-F TagIds=[5]" not in call]
    assert not [call for call in calls if "t0ken" in call or "the password_file" in call]
    assert (deleted, added) == (made or ([], []))
    if made is None:
        assert (done.returncode, "give it the tag phoenix-lab.test" in done.stdout) == (1, True)
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, "registered\n", "")


def test_last_agent(portainer: ProgramHost) -> None:
    """Without agents all environments of the estate are removed, although its certificate is gone."""
    (portainer.here / "certificate").unlink()
    done = register(portainer, agents="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "registered\n", "")
    assert [call.split()[-1] for call in portainer.calls if "DELETE" in call] == [
        f"{API}/endpoints/{id_}" for id_ in (7, 9)
    ]


@pytest.mark.parametrize(("stopped", "waits"), [(False, 10), (True, 0)])
def test_silence(portainer: ProgramHost, stopped: bool, waits: int) -> None:  # noqa: FBT001 - a value of the table
    """A Portainer that runs is given time to answer; a stopped one is not waited for."""
    (portainer.here / "down").touch()
    if stopped:
        (portainer.here / "stopped").touch()
    assert register(portainer, "--check").stdout == "silent\n"
    assert portainer.calls.count("sleep 1") == waits


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


REPOSITORIES = (
    '{"Repositories":{"qdrant/qdrant":{"qdrant/qdrant:v1":"sha256:aa","qdrant/qdrant@sha256:bb":"sha256:aa"},'
    '"own":{"own:2":"sha256:cc"}}}'
)


@pytest.mark.parametrize(
    ("runs", "images", "calls"),
    [
        (True, "", ["docker image ls --format {{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"]),
        (False, "qdrant/qdrant:v1\nqdrant/qdrant@sha256:bb\nown:2", []),
    ],
)
def test_images_of_a_stopped_engine(host: ProgramHost, runs: bool, images: str, calls: list[str]) -> None:  # noqa: FBT001
    """A stopped engine is not asked, because its socket would start it: its record of the images is read."""
    (host.here / "overlay2").mkdir()
    (host.here / "overlay2" / "repositories.json").write_text(REPOSITORIES)
    host.stand_in("systemctl", "exit 0" if runs else "exit 3")
    host.stand_in("docker")
    text = shell_program("docker/images.sh", unit="docker.service").replace("/var/lib/docker/image", str(host.here))
    assert (host.run(text).stdout, host.calls[1:]) == (images, calls)


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


AROUND = """
start_unit() { echo start $1; }
keep() { echo "keep ${1##*/}"; }
fail() { echo "$1"; return 1; }
"""


@pytest.mark.parametrize(("custom", "kept"), [("a", []), ("b", ["keep b.pem", "keep b.key"]), ("absent", [])])
def test_web_certificate_of_another(host: ProgramHost, custom: str, kept: list[str]) -> None:
    """A certificate that is not the leaf's is kept with its key before the leaf is handed over."""
    for name in "ab":
        (host.here / f"{name}.pem").write_text(pem(host.here, name))
    done = host.run(f"{AROUND}{functions(host, custom, 'pem')}presented() {{ echo ours; }}\nhand_over")
    assert done.stdout.splitlines() == [*kept, "start web.service"]


@pytest.mark.parametrize("presents", ["ours", "another one"])
def test_hand_over(host: ProgramHost, presents: str) -> None:
    """The leaf is handed over, and it is an error if the web server does not present it after that."""
    host.stand_in("sleep")
    around = f"{AROUND}{functions(host)}"
    done = host.run(f"{around}presented() {{ echo '{presents}'; }}\nhand_over")
    assert (done.returncode, done.stdout.splitlines()[0]) == (int(presents != "ours"), "start web.service")


def functions(host: ProgramHost, custom: str = "absent", suffix: str = "crt") -> str:
    """The functions with their values."""
    files = {"certificate": "a.crt", "key": "a.key", "custom": f"{custom}.{suffix}"}
    values = {name: str(host.here / file) for name, file in files.items()}
    return shell_program(
        "proxmox/web-certificate.sh", address="10.0.0.2:8006", leaf="ours", unit="web.service", **values
    )
