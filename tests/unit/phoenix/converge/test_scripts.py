"""The observation script and the apply script, run by /bin/sh in a temporary directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from grp import getgrgid
from pathlib import Path
from pwd import getpwuid

import pytest

from phoenix.connections.shell import wrap_script
from phoenix.converge import (
    ApplyError,
    Change,
    Command,
    Daemon,
    Directory,
    File,
    GeneratedFile,
    ManagedGlob,
    Observation,
    OwnedDirectory,
    Packages,
    Probe,
    Resource,
    Unit,
)
from phoenix.converge.apply import apply_script, check_applied, read_notes
from phoenix.converge.host_session import question
from phoenix.converge.observe import read_observation
from tests.support.waiting import until

ME = f"{getpwuid(os.getuid()).pw_name}:{getgrgid(os.getgid()).gr_name}"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="changes the owner of files, which requires root")
SYSTEMCTL = r"""#!/bin/sh
# A systemd with one unit: its state is a file, and every verb is logged.
echo "$*" >>"$HERE/systemctl.log"
case $1 in
  show)
    for unit; do case $unit in
      *.service) printf 'Id=%s\nLoadState=loaded\nActiveState=%s\nUnitFileState=enabled\nNeedDaemonReload=no\n\n' \
        "$unit" "$(cat "$HERE/state" 2>/dev/null || echo inactive)" ;;
    esac; done ;;
  start | restart) [ ! -e "$HERE/no-start" ] && echo active >"$HERE/state" ;;
  reload) [ ! -e "$HERE/no-reload" ] ;;
esac
"""


class Host:
    """A directory in the role of a host: its programs come first on PATH, and marks and work files stay in it."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.bin = here / "bin"
        self.limits = ":"
        for folder in (self.bin, here / "run", here / "etc"):
            folder.mkdir()
        self.program("systemctl", SYSTEMCTL)
        self.program("journalctl", "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        """Install a program on the host's PATH."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def path(self, name: str) -> str:
        """Return a path below the host's etc."""
        return str(self.here / "etc" / name)

    def local(self, script: str) -> bytes:
        """Rewrite the paths of a script to those of the directory."""
        script, paths = re.subn(r"export PATH=(\S+)", rf"export HERE={self.here} PATH={self.bin}:\1", script)
        assert paths == 1
        script = script.replace("/var/lib/phoenix/begun", f"{self.here}/begun")
        script = script.replace("/var/lib/phoenix/replaced", f"{self.here}/replaced")
        script = script.replace("/run/lock", f"{self.here}/lock")
        return wrap_script(script.replace("/run/phoenix.", f"{self.here}/run/"))

    def run(self, script: str) -> subprocess.CompletedProcess[bytes]:
        """Run a script as the shell of the host does."""
        shell = ["/bin/sh", "-c", f"{self.limits}; exec /bin/sh -s"]
        return subprocess.run(shell, input=self.local(script), capture_output=True, check=False, timeout=40)

    def observe(self, *resources: Resource) -> Observation:
        """Run the probes of the resources."""
        probes = [probe for resource in resources for probe in resource.probes()]
        done = self.run(question(probes))
        assert (done.returncode, done.stderr) == (0, b"")
        return read_observation(probes, done.stdout.decode().replace(f"{self.here}/begun", "/var/lib/phoenix/begun"))

    def apply(self, changes: Sequence[Change]) -> None:
        """Make changes."""
        done = self.run(apply_script(changes))
        check_applied(changes, done.stdout.decode(), done.returncode, done.stderr.decode())

    def converge(self, *resources: Resource) -> list[str]:
        """Observe, apply, and return the changes without guards."""
        seen = self.observe(*resources)
        changes = [change for resource in resources for change in resource.changes(seen)]
        if changes:
            self.apply(changes)
        return [str(change) for change in changes if not change.guard]

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Read every file below etc with its mode and content."""
        files = sorted(path for path in (self.here / "etc").rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mode, path.read_bytes()) for path in files}

    @property
    def verbs(self) -> list[str]:
        """The systemctl commands, without queries and daemon-reload."""
        log = self.here / "systemctl.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if not line.startswith(("show", "reset-failed", "daemon-reload"))]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host in a temporary directory."""
    return Host(tmp_path)


NASTY = [
    "plain",
    "with space",
    "qu'ote",
    'dou"ble',
    "$HOME",
    "`id`",
    "a;b",
    "back\\slash",
    "-dash",
    "*",
    "bar|bar",
    "é",
    "%s",
]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize(
    "content", ["text\n", "", "no newline", "%s $x `y` \\n 'q' \"d\"\n", "é漢\n", "@step|1\n@done\n"]
)
def test_file(host: Host, name: str, content: str) -> None:
    """A file with any name gets any content, byte for byte, and the second run does not touch it."""
    file = File(host.path(name), content, ME, "0640")
    assert host.converge(file) == [f"create file {file.path}"]
    path = Path(file.path)
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (content.encode(), 0o640)
    before = path.stat()
    assert host.converge(file) == []
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [entry.name for entry in path.parent.iterdir()] == [name]


def test_file_in_new_directories(host: Host) -> None:
    """Missing parent directories are created."""
    host.converge(File(host.path("a/b c/d"), "x", ME))
    assert (host.here / "etc/a/b c/d").read_text() == "x"


def test_owner_and_mode_only(host: Host) -> None:
    """If only the mode differs, the file is not rewritten."""
    file = File(host.path("f"), "x", ME, "0600")
    host.converge(file)
    Path(file.path).chmod(0o666)
    inode = Path(file.path).stat().st_ino
    assert host.converge(file) == [f"update file {file.path}: mode is 0666, should be 0600"]
    assert (Path(file.path).stat().st_mode & 0o777, Path(file.path).stat().st_ino) == (0o600, inode)


@pytest.mark.parametrize("target", ["there", "dangling"])
def test_link_in_place_of_a_file(host: Host, target: str) -> None:
    """A symbolic link is replaced by a file; its target is unchanged."""
    (host.here / "etc/there").write_text("theirs")
    path = host.here / "etc/f"
    path.symlink_to(host.here / "etc" / target)
    assert host.converge(File(str(path), "ours", ME)) == [f"update file {path}: is a symbolic link"]
    assert (path.is_symlink(), path.read_text()) == (False, "ours")
    assert (host.here / "etc/there").read_text() == "theirs"
    assert not (host.here / "etc/dangling").exists()


def test_directory_in_place_of_a_file(host: Host) -> None:
    """A directory in place of a file is an error with a message; the directory and its content are kept."""
    path = host.here / "etc/f"
    path.mkdir()
    (path / "precious").touch()
    with pytest.raises(ApplyError, match="is a directory, and should be a file: move it away"):
        host.converge(File(str(path), "ours", ME))
    assert (path / "precious").exists()


def test_file_in_place_of_a_directory(host: Host) -> None:
    """A file in place of a directory is moved aside."""
    path = host.here / "etc/d"
    path.write_text("old")
    host.converge(Directory(str(path), ME))
    assert path.is_dir()
    assert Path(f"{path}.replaced-by-phoenix").read_text() == "old"


@pytest.mark.parametrize("name", NASTY)
def test_directories(host: Host, name: str) -> None:
    """Directories with any name get owner and mode, by name or by number, and the second run changes neither."""
    directory = Directory(host.path(name), ME, "0750")
    owned = OwnedDirectory(host.path(f"{name}2"), os.getuid(), os.getgid(), "0700")
    assert len(host.converge(directory, owned)) == 2
    assert host.converge(directory, owned) == []
    assert (Path(directory.path).stat().st_mode & 0o777, Path(owned.path).stat().st_mode & 0o777) == (0o750, 0o700)


@AS_ROOT
def test_shifted_owner(host: Host) -> None:
    """An owner by number does not need a name on the host."""
    owned = OwnedDirectory(host.path("d"), 100800, 100801, "0700")
    assert host.converge(owned) == [f"create directory {owned.path}"]
    assert host.converge(owned) == []
    assert (Path(owned.path).stat().st_uid, Path(owned.path).stat().st_gid) == (100800, 100801)


def test_managed_glob(host: Host) -> None:
    """Undeclared files that match are removed, including dangling links and directories; other files are kept."""
    for name in ("keep.conf", "unmanaged.conf", "other.txt", "a b.conf"):
        (host.here / "etc" / name).touch()
    (host.here / "etc/dangling.conf").symlink_to("nowhere")
    (host.here / "etc/folder.conf/inside").mkdir(parents=True)
    managed = ManagedGlob(host.path("*.conf"), (host.path("keep.conf"),))
    assert len(host.converge(managed)) == 4
    assert sorted(path.name for path in (host.here / "etc").iterdir()) == ["keep.conf", "other.txt"]
    assert host.converge(managed) == []


def test_generated_once(host: Host) -> None:
    """A generated file is created once, readable by its owner only, and the observation does not contain it."""
    generated = GeneratedFile(host.path("se cret"), "echo s3cret", ME)
    assert host.converge(generated) == [f"create file {generated.path}: generated on the host"]
    assert Path(generated.path).stat().st_mode & 0o777 == 0o600
    assert host.converge(generated) == []
    output = host.run(question(generated.probes())).stdout
    assert b"s3cret" not in output
    assert b"czNjcmV0" not in output


def test_failed_generation(host: Host) -> None:
    """A command that fails leaves no incomplete file under the name."""
    with pytest.raises(ApplyError):
        host.converge(GeneratedFile(host.path("key"), "echo half; false", ME))
    assert not Path(host.path("key")).exists()


def test_command(host: Host) -> None:
    """A state is established once; a question that fails has no output."""
    command = Command("it's |state", f"cat {host.path('state')}", "good", f"echo good >{host.path('state')}")
    assert host.converge(command) == ["update it's |state"]
    assert host.converge(command) == []


def test_failure_names_the_change(host: Host) -> None:
    """The error names the failed change and quotes its output; later changes are not made."""
    changes = [
        Change("first", "update", script=f"touch {host.path('first')}"),
        Change("second", "update", "because", script="echo 'it is | broken'; false"),
        Change("third", "update", script=f"touch {host.path('third')}"),
    ]
    with pytest.raises(ApplyError) as failed:
        host.apply(changes)
    assert str(failed.value) == "update second: because failed: it is | broken"
    assert [Path(host.path(name)).exists() for name in ("first", "third")] == [True, False]


def test_work_is_removed(host: Host) -> None:
    """Neither success nor failure leaves a work directory."""
    host.converge(File(host.path("f"), "x", ME))
    with pytest.raises(ApplyError):
        host.apply([Change("x", "update", script="false")])
    assert list((host.here / "run").iterdir()) == []


def test_unwritable_place(host: Host) -> None:
    """If a directory is not writable, the old file is unchanged, and the error states the reason."""
    before = Path("/proc/version").read_bytes()
    with pytest.raises(ApplyError, match="/proc"):
        host.apply(File("/proc/version", "x", ME).changes(host.observe(File("/proc/version", "x", ME))))
    assert Path("/proc/version").read_bytes() == before


def test_full_disk(host: Host) -> None:
    """An incomplete write, as on a full disk, leaves the old file and no part of the new one."""
    file = File(host.path("f"), "old", ME)
    host.converge(file)
    host.limits = "ulimit -f 1; trap '' XFSZ"  # blocks of 512 bytes; without the signal that would end the writer
    with pytest.raises(ApplyError, match="cat: write error: File too large"):
        host.converge(File(file.path, "new content" * 100, ME))
    assert {Path(path).name: content for path, (_, content) in host.snapshot().items()} == {"f": b"old"}


# --- A daemon and its files


def daemon(host: Host, content: str, **options: str) -> Daemon:
    """Create a daemon with two files and a watched one; `bad` in the first fails the check, `deaf` fails the probe."""
    one, two, third = host.path("one conf"), host.path("two"), host.path("third")
    return Daemon(
        Unit("app.service"),
        files=(File(one, content, ME), File(two, f"{content} two", ME), ManagedGlob(host.path("*.stray"), ())),
        watched=(File(third, f"{content} three", ME),),
        check=f"! grep -q bad '{one}'",
        probe=f"! grep -q deaf '{one}'",
        **options,  # type: ignore[arg-type]  # a word of the literal
    )


@pytest.fixture
def quick(host: Host) -> Host:
    """A host without delays between attempts."""
    host.program("sleep", "#!/bin/sh\n")
    return host


def test_daemon_from_nothing(quick: Host) -> None:
    """A stopped daemon gets its files and is started, not reloaded; the second run makes no change."""
    assert quick.converge(daemon(quick, "good"))[-1] == "start unit app.service: is inactive"
    assert quick.verbs == ["start app.service"]
    assert quick.converge(daemon(quick, "good")) == []
    assert quick.verbs == ["start app.service"]
    assert list((quick.here / "begun").iterdir()) == []


def test_daemon_reloads_once(quick: Host) -> None:
    """Two changed files cause one reload."""
    quick.converge(daemon(quick, "good"))
    quick.converge(daemon(quick, "better"))
    assert quick.verbs == ["start app.service", "reload app.service"]


@pytest.mark.parametrize(
    ("content", "says", "reloads"),
    [
        ("bad", "the new files were refused by", []),
        ("deaf", "no answer to", ["reload app.service", "reload app.service"]),
    ],
)
def test_files_are_restored(quick: Host, content: str, says: str, reloads: list[str]) -> None:
    """If the check or the probe fails, every file is restored, and a reloaded daemon is reloaded again."""
    quick.converge(daemon(quick, "good"))
    (quick.here / "etc/a.stray").write_text("stray")
    (quick.here / "etc/third").unlink()
    (quick.here / "etc/two").chmod(0o600)
    before = quick.snapshot()
    with pytest.raises(ApplyError, match=says):
        quick.converge(daemon(quick, content))
    assert quick.snapshot() == before
    assert quick.verbs == ["start app.service", *reloads]
    assert list((quick.here / "begun").iterdir()) == []


def test_links_are_restored(quick: Host) -> None:
    """A replaced link is restored as a link, even if it is dangling."""
    quick.converge(daemon(quick, "good"))
    (quick.here / "etc/two").unlink()
    (quick.here / "etc/two").symlink_to("nowhere")
    with pytest.raises(ApplyError):
        quick.converge(daemon(quick, "bad"))
    assert (quick.here / "etc/two").readlink() == Path("nowhere")


def test_unit_that_does_not_restart(quick: Host) -> None:
    """A daemon that does not restart with the new files is restarted with the old ones."""
    quick.converge(daemon(quick, "good", on_change="restart"))
    before = quick.snapshot()
    (quick.here / "no-start").touch()
    with pytest.raises(ApplyError, match="did not start again"):
        quick.converge(daemon(quick, "better", on_change="restart"))
    assert quick.snapshot() == before
    assert quick.verbs == ["start app.service", "restart app.service", "restart app.service"]


def test_reload_that_fails(quick: Host) -> None:
    """A failed reload restores the files."""
    quick.converge(daemon(quick, "good"))
    before = quick.snapshot()
    (quick.here / "no-reload").touch()
    with pytest.raises(ApplyError, match="reload unit app"):
        quick.converge(daemon(quick, "better"))
    assert quick.snapshot() == before


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_killed_in_the_middle(quick: Host, kind: signal.Signals) -> None:
    """After a kill no file is incomplete, and the next run converges the daemon and its files."""
    quick.converge(daemon(quick, "good"))
    before = quick.snapshot()
    slow = daemon(quick, "better")
    quick.program("slow", "#!/bin/sh\n/bin/sleep 0.6\n")
    changes = Daemon(slow.unit, slow.files, watched=slow.watched, check="slow").changes(quick.observe(slow))
    process = subprocess.Popen(["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.write(quick.local(apply_script(changes)))
    process.stdin.close()
    until(lambda: (quick.here / "etc/third").read_text() == "better three")
    process.send_signal(kind)
    process.wait(10)
    if kind == signal.SIGKILL:
        assert (quick.here / "begun/app.service").exists()
    else:
        assert quick.snapshot() == before
    assert "reload unit app.service" in quick.converge(daemon(quick, "better"))[-1]
    assert (quick.here / "etc/one conf").read_text() == "better"
    assert quick.verbs == ["start app.service", "reload app.service"]
    assert quick.converge(daemon(quick, "better")) == []


def test_closed_output(quick: Host) -> None:
    """A script runs to its end even if its output is closed in the middle."""
    changes = [
        Change("one", "update", script=f"/bin/sleep 0.3; touch {quick.path('one')}"),
        Change("two", "update", script=f"touch {quick.path('two')}"),
    ]
    process = subprocess.Popen(
        ["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(quick.local(apply_script(changes)))
    process.stdin.close()
    process.stdout.close()
    process.wait(10)
    assert Path(quick.path("two")).exists()


def test_one_script_at_a_time(host: Host) -> None:
    """A script waits for the end of one that a killed controller left running."""
    log = host.path("log")
    slow = Change("slow", "update", script=f"echo begin >>{log}; sleep 1; echo end >>{log}")
    quick = Change("quick", "update", script=f"echo quick >>{log}")
    with subprocess.Popen(["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        assert running.stdin
        running.stdin.write(host.local(apply_script([slow])))
        running.stdin.close()
        until(Path(log).exists)
        host.apply([quick])
    assert Path(log).read_text().split() == ["begin", "end", "quick"]


def test_packages(host: Host) -> None:
    """Missing packages are installed by one apt call; outdated package lists are updated after its failure."""
    log = host.here / "apt.log"
    host.program(
        "apt-get",
        f'#!/bin/sh\necho "$*" >>{log}\ncase "$*" in *update*) touch {host.here}/fresh;; esac\n'
        f"[ -e {host.here}/fresh ]\n",
    )
    host.program("dpkg-query", "#!/bin/sh\necho '@package|installed|have'\n")
    packages = Packages(("have", "lack", "want"))
    script = apply_script(packages.changes(host.observe(packages)))
    done = host.run(script.replace("policy=/usr/sbin", f"policy={host.here}"))
    assert done.returncode == 0
    calls = [
        [word for word in line.split() if word[0] != "-" and "=" not in word] for line in log.read_text().splitlines()
    ]
    assert calls == [["install", "lack", "want"], ["update"], ["install", "lack", "want"]]
    assert not (host.here / "policy-rc.d").exists()


SOURCES = """
case "$*" in
  *update*) echo 'E: Failed to fetch https://enterprise.example/InRelease  401  Unauthorized [IP: 192.0.2.1 443]' >&2
    echo "E: The repository 'https://enterprise.example bookworm InRelease' is not signed." >&2
    touch "$HERE/updated"; exit 100 ;;
  *) [ -e "$HERE/updated" ] && [ -e "$HERE/available" ] || { echo 'E: Unable to locate package lack' >&2; exit 100; } ;;
esac
"""
FAILED = (
    "these package sources failed, correct or remove them in /etc/apt: https://enterprise.example/InRelease  401  "
    "Unauthorized [IP: 192.0.2.1 443];The repository 'https://enterprise.example bookworm InRelease' is not signed."
)


@pytest.mark.parametrize("available", [True, False])
def test_failing_package_source(host: Host, available: bool) -> None:  # noqa: FBT001 - a value of the table
    """A source that fails is named in a note; it is an error only if a package cannot be installed without it."""
    host.program("apt-get", f"#!/bin/sh\n{SOURCES}")
    if available:
        (host.here / "available").touch()
    changes = Packages(("lack",)).changes(Observation())
    done = host.run(apply_script(changes).replace("policy=/usr/sbin", f"policy={host.here}"))
    if available:
        assert (done.returncode, read_notes(done.stdout.decode())) == (0, (FAILED,))
        return
    with pytest.raises(ApplyError) as failure:
        check_applied(changes, done.stdout.decode(), done.returncode, done.stderr.decode())
    assert "Unable to locate package lack" in str(failure.value)
    assert str(failure.value).endswith(FAILED)


def test_interrupted_installation(host: Host) -> None:
    """The probe recognizes Phoenix's policy-rc.d of an interrupted installation; another policy-rc.d is kept."""
    host.program("apt-get", f"#!/bin/sh\ncp {host.here}/policy-rc.d {host.here}/seen\n")
    packages = Packages(("lack",))
    script = apply_script(packages.changes(Observation())).replace("policy=/usr/sbin", f"policy={host.here}")
    assert host.run(script).returncode == 0
    (command,) = [probe.command for probe in packages.probes() if probe.kind == "command"]
    moved = command.replace("/usr/sbin/policy-rc.d", str(host.here / "seen"))
    assert subprocess.run(["sh", "-c", moved], capture_output=True, check=False).returncode == 0
    (host.here / "policy-rc.d").write_text("theirs")
    assert host.run(script).returncode == 0
    assert (host.here / "policy-rc.d").read_text() == (host.here / "seen").read_text() == "theirs"


@pytest.mark.parametrize("known", [True, False])
def test_timers_are_started(host: Host, known: bool) -> None:  # noqa: FBT001 - a value of the table
    """Timers are started by one command; if systemd has cached their absence, it is reloaded and starts them."""
    log = host.here / "commands"
    absent = "" if known else f'[ "$1" != restart ] || grep -q daemon-reload {log}'
    host.program("systemctl", f'#!/bin/sh\necho "$*" >>{log}\n{absent}\n')
    host.apply([Change("timers", "start", script="start_timers a.timer b.timer")])
    retry = [] if known else ["daemon-reload", "restart a.timer b.timer"]
    assert log.read_text().splitlines() == ["restart a.timer b.timer", *retry]


def test_one_script_for_all(host: Host) -> None:
    """One script returns the results of all probes, each under its subject."""
    Path(host.path("f")).write_text("hello\n")
    probes = {
        Probe("stat", host.path("f")),
        Probe("content", host.path("f")),
        Probe("content", host.path("none")),
        Probe("unit", "app.service"),
        Probe("unit", "other.service"),
        Probe("listing", host.path("*")),
        Probe("command", "multi line", "printf 'a\\n|b\\n'"),
        Probe("command", "fails", "echo partly; exit 3"),
    }
    seen = read_observation(probes, host.run(question(probes)).stdout.decode())
    assert seen.probes == probes
    assert (seen.stats[host.path("f")].size, seen.stats[host.path("f")].owner) == (6, ME)
    assert seen.contents == {host.path("f"): b"hello\n"}
    assert set(seen.units) == {"app.service", "other.service"}
    assert seen.listings == {host.path("*"): (host.path("f"),)}
    assert seen.outputs == {"multi line": "a\n|b\n", "fails": "partly\n"}


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_any_posix_shell(shell: str, tmp_path: Path) -> None:
    """The scripts have valid syntax for each shell that may be /bin/sh."""
    command = {"dash": ["dash", "-n"], "bash": ["bash", "--posix", "-n"]}[shell]
    script = tmp_path / "script"
    script.write_bytes(wrap_script(apply_script([Change("x", "update", script="true")])))
    try:
        done = subprocess.run([*command, script], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{shell} is not installed")
    assert (done.returncode, done.stderr) == (0, b"")
