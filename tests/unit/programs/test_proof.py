"""The program that asks for routes; curl and getent are stand-ins."""

from __future__ import annotations

from phoenix.templating import program, shell_program
from tests.support.programs import ProgramHost

CURL = r"""
case "$*" in
  *https://bad.*) printf '000 0.000000'; exit 7 ;;
  *https://grpc.*) [ "${*%--http2 *}" != "$*" ] || exit 9 ;;
  *http://grpc.*) [ "${*%--http2-prior-knowledge *}" != "$*" ] || exit 9 ;;
esac
printf '200 0.001'
"""
REQUESTS = """\
0 https://good.lab.test/health?x=1&y=2 10.0.0.11:443 web
1 https://bad.lab.test/ 10.0.0.12:443 web
2 https://grpc.lab.test/ 10.0.0.12:443 grpc
3 http://grpc.lab.test/ 10.0.0.60:6334 grpc"""


def test_routes(host: ProgramHost) -> None:
    """Each request is made once and its result printed, and each name is resolved."""
    host.stand_in("curl", CURL)
    host.stand_in("getent", '[ "$2" != good.lab.test ] || printf "10.0.0.12  STREAM\\n10.0.0.12  DGRAM\\n"')
    values = {"anchors": "/anchors.crt", "root": "", "requests": REQUESTS, "names": "good.lab.test gone.lab.test"}
    done = host.run(shell_program("proof/routes.sh", seconds=3, **values))
    assert sorted(line.strip() for line in done.stdout.splitlines()) == [
        "0 0 200 0.001",
        "1 7 000 0.000000",
        "2 0 200 0.001",
        "3 0 200 0.001",
        "gone.lab.test",
        "good.lab.test 10.0.0.12",
    ]
    (good,) = [call for call in host.calls if "https://good.lab.test" in call]
    assert "--max-time 3 --cacert /anchors.crt " in good
    assert good.endswith("--connect-to ::10.0.0.11:443 https://good.lab.test/health?x=1&y=2")
    assert list((host.here / "run").iterdir()) == []


def test_one_root(host: ProgramHost) -> None:
    """A root in PEM is trusted instead of the file."""
    host.stand_in("curl", 'while [ "$1" != --cacert ]; do shift; done; cat "$2" >"$HERE/trusted"; printf "200 0.1"')
    request = "0 https://good.lab.test/ 10.0.0.11:443 web"
    values = {"anchors": "/anchors.crt", "root": "PEM", "requests": request, "names": ""}
    assert host.run(shell_program("proof/routes.sh", seconds=3, **values)).stdout == "0 0 200 0.1\n"
    assert (host.here / "trusted").read_text() == "PEM\n"


def test_no_routes(host: ProgramHost) -> None:
    """Without routes nothing is asked."""
    host.stand_in("curl")
    values = {"anchors": "/anchors.crt", "root": "", "requests": "", "names": ""}
    done = host.run(shell_program("proof/routes.sh", seconds=3, **values))
    assert (done.stdout, done.stderr, host.calls) == ("", "", [])


def test_listening(host: ProgramHost) -> None:
    """The kernel's table of sockets is printed."""
    assert " 0A " in host.run(program("proof/listening.sh")).stdout
