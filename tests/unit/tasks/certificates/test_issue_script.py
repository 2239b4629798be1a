"""The shell that issues leaves on their host, really run; curl is a stand-in that answers as the authority does."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from phoenix.templating import shell_program

CURL = """#!/bin/sh
echo "$*" >"$HERE/arguments"
cat >"$HERE/asked"
[ ! -e "$HERE/silent" ] || { echo '1 000'; echo 'curl: (7) no way to there' >&2; exit 7; }
cp "$HERE/first" "$work/1.json"
cp "$HERE/second" "$work/2.json"
printf '1 201\\n2 403\\n'
"""
CHAIN = [
    "-----BEGIN CERTIFICATE-----\nbGVhZg+/==\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nY2E=\n-----END-\n",
]
SCRIPT = """
export HERE={here} work={here}/work PATH={here}/bin:$PATH
{functions}
request 1 {here}/one/.next 'DNS:one.example.org,IP:192.0.2.1' root:root 0600 || exit 1
request 2 {here}/two/.next DNS:two.example.org root:root 0640 || exit 1
{{ ask 1 token-1 24h; ask 2 token-2 36h; }} | sign
place 1 {here}/one/.next echo >{here}/first.said
place 2 {here}/two/.next echo >{here}/second.said
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory that the script takes for its host."""
    for name in ("bin", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/curl").write_text(CURL)
    (tmp_path / "bin/curl").chmod(0o755)
    (tmp_path / "first").write_text(
        json.dumps({"crt": CHAIN[0], "certChain": CHAIN, "tlsOptions": {"a": ["b"]}}, separators=(",", ":")) + "\n"
    )
    (tmp_path / "second").write_text('{"status":403,"message":"The request lacked authorization"}\n')
    return tmp_path


def run(here: Path) -> None:
    """Run the script to its end."""
    functions = shell_program("certificates/issue.sh", url="https://ca.example.org/1.0/sign", bundle="/bundle.crt")
    script = SCRIPT.format(here=here, functions=functions)
    subprocess.run(["/bin/sh", "-s"], input=script.encode(), check=False, timeout=30, capture_output=True)


def test_one_is_signed_and_one_is_refused(here: Path) -> None:
    """Who is answered is complete and has its reader told; who is refused leaves nothing behind, and says why."""
    run(here)
    assert (here / "one/.next/crt").read_text() == "".join(CHAIN)
    assert (here / "one/.next/key").stat().st_mode & 0o777 == 0o600
    assert (here / "one/.next").stat().st_mode & 0o777 == 0o700
    assert (here / "first.said").read_text() == "finish\n"
    assert (here / "second.said").read_text() == "the authority refused: The request lacked authorization\n"
    assert not (here / "two/.next").exists()


def test_what_is_asked(here: Path) -> None:
    """Each request goes with its token and lifetime, in JSON, by standard input; curl has no token for an argument."""
    run(here)
    asked = (here / "asked").read_text()
    bodies = [json.loads(json.loads(line.partition("= ")[2])) for line in asked.splitlines() if line.startswith("data")]
    assert [(body["ott"], body["notAfter"]) for body in bodies] == [("token-1", "24h"), ("token-2", "36h")]
    assert [body["csr"] for body in bodies] == [(here / f"work/{number}.csr").read_text() for number in (1, 2)]
    assert asked.split("\n").count("next") == 1
    assert "token" not in (here / "arguments").read_text()
    names = subprocess.run(
        ["openssl", "req", "-noout", "-text", "-verify"],
        input=bodies[0]["csr"].encode(),
        check=True,
        capture_output=True,
    )
    assert b"DNS:one.example.org, IP Address:192.0.2.1" in names.stdout


def test_unreachable(here: Path) -> None:
    """Where the authority does not answer, curl's own words are told, and no half of a pair stays."""
    (here / "silent").touch()
    run(here)
    for name in ("first", "second"):
        assert (here / f"{name}.said").read_text() == "the authority is unreachable: curl: (7) no way to there\n"
    assert not [path for name in ("one", "two") for path in (here / name).iterdir()]


def test_no_room(here: Path) -> None:
    """If one of the keys cannot be made, none of the pairs that were begun stays behind."""
    openssl = shutil.which("openssl")
    (here / "bin/openssl").write_text(f'#!/bin/sh\ncase $* in *two/*) exit 1 ;; esac\nexec {openssl} "$@"\n')
    (here / "bin/openssl").chmod(0o755)
    run(here)
    assert not (here / "one/.next").exists()
    assert not (here / "asked").exists()
