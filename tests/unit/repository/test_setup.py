"""scripts/setup in a checkout of its own, with programs that only write down how they were called."""

from __future__ import annotations

import fcntl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.places import ROOT

PYTHON = """#!/bin/sh
case "$*" in
"-m venv "*) echo "venv" >>{calls}; mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
"-m pip "*)
    for last; do :; done
    echo "pip $last" >>{calls}
    [ {pip_takes} = 0 ] || exec sleep {pip_takes}
    exit {pip_status} ;;
*get_path*) mkdir -p .venv/site; echo .venv/site ;;
*executable*) echo "$0" ;;
-V) echo Python 3.13.0 ;;
esac
"""
APT = '#!/bin/sh\necho "${0##*/} $*" >>%s\n'


@dataclass(frozen=True)
class Checkout:
    """A checkout with only what scripts/setup reads."""

    folder: Path

    @property
    def calls(self) -> Path:
        """What was called, one line each."""
        return self.folder / "calls"

    def python(self, *, pip_takes: float = 0, pip_status: int = 0) -> None:
        """Write the interpreter."""
        text = PYTHON.format(calls=self.calls, pip_takes=pip_takes, pip_status=pip_status)
        self.program("python3.13", text)

    def program(self, name: str, text: str) -> None:
        """Write a program that is found before the machine's own."""
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def edit(self, old: str, new: str) -> None:
        """Exchange words of the script."""
        script = self.folder / "scripts" / "setup"
        text = script.read_text()
        assert old in text
        script.write_text(text.replace(old, new))

    def setup(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script, and forget what was called before."""
        self.calls.write_text("")
        return subprocess.run(
            [self.folder / "scripts" / "setup", *words],
            env={"PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def called(self, *words: str) -> list[str]:
        """Run the script, which must succeed; return what it called."""
        done = self.setup(*words)
        assert done.returncode == 0, done.stderr
        return self.calls.read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout without .venv."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "bin").mkdir()
    script = tmp_path / "scripts" / "setup"
    script.write_bytes((ROOT / "scripts" / "setup").read_bytes())
    script.chmod(0o755)
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (tmp_path / name).write_text("one==1.0\n")
    made = Checkout(tmp_path)
    made.python()
    for name in ("apt-get", "dpkg"):
        made.program(name, APT % made.calls)
    return made


RUNTIME, DEV = ["pip requirements.lock", "pip ."], ["pip requirements-dev.lock", "pip ."]
NEW = ["venv"]


def test_what_venv_holds(checkout: Checkout) -> None:
    """.venv gets the lock that is wanted, once; the developers' contains the other, and is only added to it."""
    assert checkout.called() == NEW + RUNTIME
    assert checkout.called() == []
    assert checkout.called("dev") == DEV
    assert checkout.called("dev") == []
    assert checkout.called() == []


@pytest.mark.parametrize(
    ("before", "changed", "wanted", "called"),
    [
        ((), "requirements.lock", (), NEW + RUNTIME),
        ((), "requirements.lock", ("dev",), NEW + DEV),
        ((), "requirements-dev.lock", (), []),
        (("dev",), "requirements-dev.lock", ("dev",), NEW + DEV),
        (("dev",), "requirements-dev.lock", (), NEW + RUNTIME),
        ((), "pyproject.toml", (), NEW + RUNTIME),
    ],
)
def test_a_changed_lock(
    checkout: Checkout, before: tuple[str, ...], changed: str, wanted: tuple[str, ...], called: list[str]
) -> None:
    """What was installed from an older lock is removed with its .venv, so that none of it is left."""
    checkout.called(*before)
    (checkout.folder / changed).write_text("one==2.0\n")
    assert checkout.called(*wanted) == called


def test_a_failed_installation(checkout: Checkout) -> None:
    """A .venv that pip did not finish is made again, be it a new one or one that was added to."""
    checkout.called()
    (checkout.folder / ".venv/bin/python").write_text(PYTHON.format(calls=checkout.calls, pip_takes=0, pip_status=1))
    done = checkout.setup("dev")
    assert done.returncode == 1
    assert "setup: pip could not install requirements-dev.lock" in done.stderr
    assert checkout.called() == NEW + RUNTIME


def test_another_place(checkout: Checkout, tmp_path: Path) -> None:
    """A .venv that came from another place is made again: its programs name that place."""
    checkout.called()
    stamp = checkout.folder / ".venv/.phoenix-lock"
    stamp.write_text(stamp.read_text().replace(str(tmp_path), "/elsewhere"))
    assert checkout.called() == NEW + RUNTIME


def test_progress(checkout: Checkout) -> None:
    """What pip is waited for is said, with the time so far and the limit."""
    checkout.edit("TICK=10", "TICK=1")
    checkout.python(pip_takes=1.5)
    done = checkout.setup()
    assert done.stderr.splitlines() == [
        "setup: making .venv with Python 3.13.0",
        "setup: installing the 1 packages of requirements.lock",
        "setup: still installing requirements.lock: 1 of 900 s",
        "setup: still installing the checkout: 1 of 900 s",
    ]


def test_limit(checkout: Checkout) -> None:
    """An installation that takes too long is ended, and said."""
    checkout.edit("PIP_LIMIT=900", "PIP_LIMIT=1")
    checkout.python(pip_takes=20)
    done = checkout.setup()
    assert done.returncode == 1
    assert "installing requirements.lock took longer than 1 s and was ended" in done.stderr


def test_another_setup(checkout: Checkout) -> None:
    """A setup waits for another one in the same checkout, and says so; the lock is in the checkout."""
    with (checkout.folder / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(1.5, fcntl.flock, (lock, fcntl.LOCK_UN))
        release.start()
        done = checkout.setup()
        release.join()
    assert done.returncode == 0
    assert "setup: waiting for another setup of this checkout: 1 of 900 s" in done.stderr


@pytest.mark.parametrize(
    ("words", "missing"), [((), False), (("dev",), False), (("lab",), True), (("lab", "dev"), True)]
)
def test_packages_of_the_lab(checkout: Checkout, words: tuple[str, ...], *, missing: bool) -> None:
    """Only who wants the lab needs its system packages, and root."""
    checkout.edit("lxc-start:lxc", "no-such-program:its-package")
    checkout.edit("((EUID == 0))", "true")
    calls = checkout.called(*words)
    assert [call for call in calls if call.startswith("apt-get -qq update")] == ["apt-get -qq update"] * missing
    assert [call for call in calls if "install" in call and call.endswith(" its-package")] != [] or not missing


@pytest.mark.parametrize(("words", "installed"), [((), False), (("dev",), False), (("lab",), True)])
def test_the_keyring_of_the_labs_packages(checkout: Checkout, words: tuple[str, ...], *, installed: bool) -> None:
    """The lab needs the keys of Debian's archive, which Ubuntu comes without."""
    checkout.edit("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/none.gpg")
    checkout.edit("((EUID == 0))", "true")
    calls = checkout.called(*words)
    assert (
        any(call.startswith("apt-get install") and call.endswith(" debian-archive-keyring") for call in calls)
        is installed
    )


def test_packages_need_root(checkout: Checkout) -> None:
    """Who is not root learns which packages are missing."""
    checkout.edit("lxc-start:lxc", "no-such-program:its-package")
    checkout.edit("((EUID == 0))", "false")
    done = checkout.setup("lab")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: missing: its-package. Installing them needs root: run make as root, or install them by hand.\n"
    )
    assert checkout.calls.read_text() == ""


def test_a_held_package_list(checkout: Checkout) -> None:
    """While another program holds apt's lock, setup waits, and says how long and how long at most."""
    checkout.edit("lxc-start:lxc", "no-such-program:its-package")
    checkout.edit("((EUID == 0))", "true")
    checkout.edit("sleep 5", "sleep 0.1")
    held = "case $2 in update) [ -e $0.2 ] || { touch $0.2; echo 'E: Could not get lock' >&2; exit 100; };; esac\n"
    checkout.program("apt-get", f"#!/bin/sh\n{held}")
    done = checkout.setup("lab")
    assert done.returncode == 0, done.stderr
    assert "setup: waiting for another program that holds apt's lock: 0 of 180 s" in done.stderr


def test_an_unknown_word(checkout: Checkout) -> None:
    """A word that setup does not know is an error, before anything is installed."""
    done = checkout.setup("everything")
    assert (done.returncode, checkout.calls.read_text()) == (1, "")
    assert "unknown word everything; usage: scripts/setup [lab] [dev]" in done.stderr
