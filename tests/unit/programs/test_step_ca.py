"""Programs of the CA's guest: step, setpriv and systemctl are stand-ins, openssl, tar and base64 are the real ones."""

from __future__ import annotations

import getpass
import io
import subprocess
import tarfile
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from phoenix.templating import shell_program
from tests.support.programs import ProgramHost

AS_USER = 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"'
"""What setpriv does, but for the user."""
STEP = r"""
case "$1 $2" in
  "ca init") mkdir -p .init/config .init/db
    echo "{\"root\": \"$(pwd)/.init/certs/root_ca.crt\"}" >.init/config/ca.json
    touch .init/db/data .init/config/defaults.json ;;
  "certificate create") echo "$3" >"$4"; echo "key of $3" >"$5" ;;
  "crypto jwk") echo '{"kid":"next"}' >"$4"; echo sealed >"$5" ;;
  "ca token") echo "token for $3" ;;
  "ca certificate") [ "$STEP_TOKEN" = good ] || exit 1; echo certificate >"$4" ;;
  "ca revoke") echo "revoked $3 by $STEP_TOKEN" ;;
  "ca provisioner") echo sealed ;;
  "crypto jwe") cat "$HERE/key.pem" ;;
  "crypto key") cat ;;
esac
"""


@pytest.fixture
def state(host: ProgramHost) -> Path:
    """The directory of the CA's state, with stand-ins beside it."""
    host.stand_in("setpriv", AS_USER)
    host.stand_in("step", STEP)
    host.stand_in("systemctl", '[ "$1" != is-active ] || [ -e "$HERE/runs" ]')
    host.stand_in("systemd-run")
    folder = host.here / "state"
    folder.mkdir()
    return folder


def values(state: Path, **more: str) -> dict[str, str]:
    """The values of programs that create keys."""
    templates = {"root_template": "root {{ }}", "intermediate_template": "intermediate {{ }}"}
    lives = {"root_life": "87600h", "intermediate_life": "43800h"}
    return {"state": str(state), "user": getpass.getuser(), "name": "Lab's own", **templates, **lives, **more}


def init(state: Path) -> str:
    """The program that creates the state."""
    names = "ca.lab.test ca.old.test 127.0.0.1"
    more = {"unit": "step-ca.service", "names": names, "port": "9000", "url": "https://ca.lab.test:9000"}
    return f"({shell_program('step_ca/init.sh', **values(state, provisioner='phoenix tokens', **more))})"


def tree(folder: Path) -> list[str]:
    """The files of a directory."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


WHOLE = [
    "certs/intermediate_ca.crt", "certs/root_ca.crt", "config/ca.json", "db/data", "secrets/intermediate_ca_key",
    "secrets/password", "secrets/provisioner_password", "secrets/root_ca_key",
]  # fmt: skip


def test_init(host: ProgramHost, state: Path) -> None:
    """A state is created with the estate's names, its settings name the final place, and a second run changes none."""
    assert host.run(init(state)).stderr == ""
    assert tree(state) == WHOLE
    assert (state / "config/ca.json").read_text() == f'{{"root": "{state}/certs/root_ca.crt"}}\n'
    (call,) = [call for call in host.calls if call.startswith("step ca init")]
    assert "--name Lab's own --dns ca.lab.test --dns ca.old.test --dns 127.0.0.1 --address :9000" in call
    assert "--with-ca-url https://ca.lab.test:9000 --provisioner phoenix tokens --acme" in call
    count = len(host.calls)
    assert host.run(init(state)).returncode == 0
    assert host.calls[count:] == ["systemctl stop step-ca.service"]


def test_interrupted_init(host: ProgramHost, state: Path) -> None:
    """A run that fails in the middle leaves no state, and the next one starts over."""
    host.stand_in("step", f'[ "$1" = certificate ] || exit 1\n{STEP}')
    assert host.run(init(state)).returncode != 0
    assert not (state / "config").exists()
    host.stand_in("step", STEP)
    assert host.run(init(state)).returncode == 0
    assert tree(state) == WHOLE


def test_reset(host: ProgramHost, state: Path) -> None:
    """A replaced state is archived whole before another one is created."""
    host.run(init(state))
    (state / "secrets/password").write_text("the old one")
    (state / ".reset").write_text("20300101T000000")
    assert host.run(init(state)).returncode == 0
    archive = state / "archive-20300101T000000"
    assert (tree(archive), (archive / "secrets/password").read_text()) == (WHOLE, "the old one")
    assert (state / "secrets/password").read_text() != "the old one"


@pytest.mark.parametrize(
    ("kind", "root_key", "signer"),
    [
        ("root", "", "--ca-key .next/root_ca_key --ca-password-file secrets/password"),
        ("intermediate", "", "--ca-key secrets/root_ca_key --ca-password-file secrets/password"),
        ("intermediate", "-----BEGIN-----\nkey\n", "--ca-key /work/root_key --password-file"),
    ],
)
def test_next(host: ProgramHost, state: Path, kind: str, root_key: str, signer: str) -> None:
    """The next set is signed by the key of its own root, of the present one, or by one that was taken offline."""
    host.stand_in("openssl")
    host.run(init(state))
    (host.here / "work").mkdir()
    text = shell_program("step_ca/next.sh", kind=kind, root_key=root_key, work=str(host.here / "work"), **values(state))
    done = host.run(text)
    assert (done.returncode, done.stderr) == (0, "")
    assert any(signer in call for call in host.calls if "Intermediate CA 20" in call)
    assert sorted(path.name for path in (state / "next").iterdir())[:3] == [
        "intermediate_ca.crt", "intermediate_ca_key", "root_ca.crt",
    ]  # fmt: skip
    assert (state / "next/root_ca_key").exists() == (kind == "root")
    assert not (host.here / "work/root_key").exists()


def test_settle(host: ProgramHost, state: Path) -> None:
    """The old set is archived once, and the next one is copied to the usual places."""
    host.run(init(state))
    (state / "next").mkdir()
    for name in ("root_ca.crt", "root_ca_key", "intermediate_ca.crt", "intermediate_ca_key"):
        (state / "next" / name).write_text(f"next {name}")
    text = shell_program("step_ca/settle.sh", state=str(state), user=getpass.getuser())
    for _ in range(2):
        assert host.run(text).stderr == ""
    assert (state / "secrets/root_ca_key").read_text() == "next root_ca_key"
    (archive,) = (state / "previous").iterdir()
    assert tree(archive) == ["intermediate_ca.crt", "intermediate_ca_key", "root_ca.crt", "root_ca_key"]
    assert (archive / "root_ca.crt").read_text() == "Lab's own Root CA\n"


def test_next_provisioner(host: ProgramHost, state: Path) -> None:
    """The next key of the provisioner appears with its password, both or neither."""
    text = shell_program("step_ca/provisioner.sh", state=str(state), user=getpass.getuser())
    assert host.run(text).returncode == 0
    assert tree(state / "provisioner.next") == ["key.priv", "key.pub", "password"]
    host.stand_in("step", "exit 1")
    (state / "provisioner.next").rename(state / "old")
    assert host.run(text).returncode == 1
    assert not (state / "provisioner.next").exists()


def test_present(host: ProgramHost, state: Path) -> None:
    """Directories and files with content are there; empty and absent files are not."""
    (state / "db").mkdir()
    (state / "full").write_text("x")
    (state / "empty").touch()
    done = host.run(shell_program("step_ca/present.sh", state=str(state), parts="full empty db absent"))
    assert done.stdout.split() == ["full", "db"]


def key(path: Path, *options: str) -> str:
    """Make a private key, perhaps a sealed one, and give its public half."""
    curve = ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run(["openssl", *curve, "-out", path, *options], check=True, capture_output=True)
    password = ("-passin", options[-1]) if options else ()
    return subprocess.check_output(["openssl", "pkey", "-in", path, *password, "-pubout"], text=True).strip()


def test_root_key(host: ProgramHost, state: Path) -> None:
    """A key that is put back is found, sealed with the CA's password; another key is not, nor one that was removed."""
    (state / "secrets").mkdir()
    (state / "secrets/password").write_text("pass word")
    public, other = key(host.here / "root.pem"), key(host.here / "other.pem")
    file = state / "secrets/root_ca_key"
    put = shell_program(
        "step_ca/put-root-key.sh", root_key=(host.here / "root.pem").read_text(), file=str(file),
        password=str(state / "secrets/password"), user=getpass.getuser(),
    )  # fmt: skip
    assert host.run(f"({put})").returncode == 0
    assert "ENCRYPTED" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    find = {half: shell_program("step_ca/find-root-key.sh", state=str(state), public=half) for half in (public, other)}
    assert [host.run(text).stdout.split() for text in find.values()] == [["./secrets/root_ca_key"], []]
    file.unlink()
    assert host.run(find[public]).stdout == ""


def restorable(state: Path) -> None:
    """Fill the state with parts that belong together."""
    for part in ("certs", "secrets", "config", "db"):
        (state / part).mkdir(exist_ok=True)
    (state / "secrets/password").write_text("secret")
    key(state / "secrets/intermediate_ca_key", "-aes256", "-pass", f"file:{state}/secrets/password")
    subprocess.run(
        ["openssl", "req", "-x509", "-new", "-key", state / "secrets/intermediate_ca_key", "-passin",
         f"file:{state}/secrets/password", "-subj", "/CN=ca", "-out", state / "certs/intermediate_ca.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    (state / "certs/root_ca.crt").write_bytes((state / "certs/intermediate_ca.crt").read_bytes())
    (state / "config/ca.json").write_text("{}")


@pytest.mark.parametrize("runs", [True, False])
def test_backup_and_restoration(host: ProgramHost, state: Path, runs: bool) -> None:  # noqa: FBT001 - a value of the table
    """A backup holds all parts, stops a CA that runs and starts it again; it is restored beside an empty place only."""
    restorable(state)
    if runs:
        (host.here / "runs").touch()
    lock = str(host.here / "run/lock")
    done = host.run(shell_program("step_ca/backup.sh", state=str(state), unit="step-ca.service", lock=lock))
    verbs = [call.split()[1] for call in host.calls if call.startswith("systemctl")]
    assert verbs == (["is-active", "stop", "stop", "start", "stop"] if runs else ["is-active"])
    with tarfile.open(fileobj=io.BytesIO(b64decode(done.stdout))) as archive:
        assert {name.partition("/")[0] for name in archive.getnames()} == {"certs", "secrets", "config", "db"}

    def restored(place: Path, content: str) -> tuple[int, str]:
        user = getpass.getuser()
        done = host.run(f"({shell_program('step_ca/restore.sh', state=str(place), user=user, content=content)})")
        return done.returncode, done.stdout.splitlines()[-1]

    assert restored(state, done.stdout) == (1, f"{state}/certs is in the way: move it away")
    empty = host.here / "empty"
    empty.mkdir()
    assert restored(empty, done.stdout)[0] == 0
    assert (empty / ".init/complete").exists()
    assert restored(empty, b64encode(b"no archive").decode()) == (1, "the backup cannot be unpacked")
    key(state / "secrets/intermediate_ca_key", "-aes256", "-pass", f"file:{state}/secrets/password")
    mixed = host.run(shell_program("step_ca/backup.sh", state=str(state), unit="step-ca.service", lock=lock))
    assert restored(empty, mixed.stdout) == (1, "the backup is not a complete, intact state of a CA")
    assert list(empty.iterdir()) == []


def client(state: Path, key_id: str = "kid") -> dict[str, str]:
    """The values of programs that ask the CA."""
    asked = {"provisioner": "phoenix", "ca_url": "https://ca.lab.test:9000", "root": "/root.crt"}
    return {"state": str(state), "user": "step", "key_id": key_id, **asked}


@pytest.mark.parametrize(("key_id", "name"), [("", ""), ("old", ""), ("new", "_new")])
def test_password_of_the_current_key(host: ProgramHost, state: Path, key_id: str, name: str) -> None:
    """A key whose password has a file of its own is used with that; any other with the usual one."""
    (state / "secrets").mkdir()
    (state / "secrets/provisioner_password_new").touch()
    text = shell_program("step_ca/token.sh", "step_ca/client.sh", subject="old-key.lab.test", **client(state, key_id))
    assert host.run(text).stdout == "token for old-key.lab.test\n"
    assert f"--provisioner-password-file /state/secrets/provisioner_password{name} --ca-url" in host.calls[-1]


def test_revocation(host: ProgramHost, state: Path) -> None:
    """A certificate is revoked by its number with a token that is in no argument."""
    text = shell_program("step_ca/revoke.sh", "step_ca/client.sh", serial="4711", **client(state))
    assert host.run(text).stdout == "revoked 4711 by token for 4711\n"
    assert not [call for call in host.calls if "token for" in call]


@pytest.mark.parametrize(("token", "status"), [("good", 0), ("bad", 1)])
def test_redemption(host: ProgramHost, state: Path, token: str, status: int) -> None:
    """The status tells whether a token is accepted; the certificate does not stay."""
    values = {"token": token, "subject": "old-key.lab.test", **client(state)}
    assert host.run(shell_program("step_ca/redeem.sh", "step_ca/client.sh", **values)).returncode == status
    assert list((host.here / "run").iterdir()) == []


def test_tokens_are_signed(host: ProgramHost, state: Path) -> None:
    """Each text gets its own signature, in the order of the texts, and nothing stays of it."""
    public = host.here / "public.pem"
    public.write_text(key(host.here / "key.pem"))
    texts = [f"header.claims{number}" for number in range(11)]
    text = shell_program("step_ca/sign-tokens.sh", "step_ca/client.sh", texts=texts, at_once=4, **client(state))
    done = host.run(text)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(texts)
    for signed, line in zip(texts, lines, strict=True):
        (host.here / "signature").write_bytes(bytes.fromhex(line.rpartition(" ")[2]))
        verify = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", str(host.here / "signature")]
        assert subprocess.run(verify, input=signed.encode(), capture_output=True, check=False).returncode == 0
    assert list((host.here / "run").iterdir()) == []


def test_reload(host: ProgramHost) -> None:
    """A reload ends when the CA presents another certificate; if it presents the same one, the reload fails."""
    host.stand_in("sleep")
    host.stand_in("openssl", '[ "$1" != x509 ] || { echo x >>"$HERE/asked"; wc -l <"$HERE/asked"; }')
    program = shell_program("step_ca/reload.sh", port=9000)
    with subprocess.Popen(["sleep", "30"]) as process:
        assert host.execute(program, str(process.pid)).returncode == 0
        assert process.wait(10) == -1
    host.stand_in("openssl", "echo same")
    with subprocess.Popen(["sleep", "30"]) as process:
        done = host.execute(program, str(process.pid))
        assert (done.returncode, done.stdout) == (1, "step-ca did not take its new settings\n")
