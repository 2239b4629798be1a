"""Each resource derives exact changes from an observation: a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.converge import (
    Command,
    Daemon,
    Directory,
    File,
    GeneratedFile,
    ManagedGlob,
    Observation,
    OwnedDirectory,
    Packages,
    PinnedProgram,
    Resource,
    Unit,
    Upload,
    User,
)
from phoenix.converge.observe import FileStat, UnitState

CONF = "/etc/app.conf"
UPLOAD = Upload(Path("x.gz"), "/usr/local/bin/app", "0755", 7)
PROGRAM = PinnedProgram("app", "1.0", 100, UPLOAD)
RUNNING = UnitState("loaded", "active", "enabled", reload_needed=False)
STOPPED = UnitState("loaded", "inactive", "enabled", reload_needed=False)
DISABLED = UnitState("loaded", "active", "disabled", reload_needed=False)
DAEMON = Daemon(Unit("app.service"), files=(File(CONF, "new\n"),), check="app -t", probe="app ping")


def stat(
    kind: str = "regular file", mode: str = "0644", owner: str = "root:root", size: int = 4, mtime: int = 0
) -> FileStat:
    """Create the status of a path."""
    return FileStat(kind, mode, owner, size, mtime)


def seen(path: str = CONF, file: FileStat | None = None, content: bytes | None = None, **fields: object) -> Observation:
    """Create an observation of one path, with further fields."""
    observation = Observation(**fields)  # type: ignore[arg-type]  # the fields differ by row
    if file:
        observation.stats[path] = file
    if content is not None:
        observation.contents[path] = content
    return observation


def formatted(resource: Resource, observation: Observation) -> list[str]:
    """Format the changes as for a person; guards are in parentheses."""
    return [f"({change})" if change.guard else str(change) for change in resource.changes(observation)]


NEW = File(CONF, "new\n")
COPIES = "a copy is kept in /var/lib/phoenix/replaced if Phoenix did not write it"
BEGIN = ["(update unit app.service)"]
CHECK = ["(update unit app.service: check of its files)"]
CLOSE = ["(update unit app.service: probe)", "(update unit app.service)"]


@pytest.mark.parametrize(
    ("resource", "observation", "changes"),
    [
        # --- files
        (NEW, seen(), [f"create file {CONF}"]),
        (NEW, seen(file=stat(), content=b"new\n"), []),
        (NEW, seen(file=stat(), content=b"old\n"), [f"update file {CONF}: content differs"]),
        (NEW, seen(file=stat(), content=b"new"), [f"update file {CONF}: content differs"]),
        (NEW, seen(file=stat(), content=b"\xff\n"), [f"update file {CONF}: content differs"]),
        (
            NEW,
            seen(file=stat(mode="0600"), content=b"new\n"),
            [f"update file {CONF}: mode is 0600, should be 0644"],
        ),
        (
            NEW,
            seen(file=stat(mode="0600", owner="a:b"), content=b"new\n"),
            [f"update file {CONF}: owner is a:b, should be root:root; mode is 0600, should be 0644"],
        ),
        (NEW, seen(file=stat("symbolic link", "0777"), content=b"new\n"), [f"update file {CONF}: is a symbolic link"]),
        (NEW, seen(file=stat("symbolic link", "0777")), [f"update file {CONF}: is a symbolic link"]),
        (NEW, seen(file=stat("directory", "0755")), [f"update file {CONF}: is a directory"]),
        (NEW, seen(file=stat("socket")), [f"update file {CONF}: is a socket"]),
        (File(CONF, ""), seen(file=stat("regular empty file"), content=b""), []),
        (File(CONF, ""), seen(), [f"create file {CONF}"]),
        # --- directories
        (Directory("/srv"), seen(), ["create directory /srv"]),
        (Directory("/srv"), seen("/srv", stat("directory", "0755")), []),
        (
            Directory("/srv", mode="0750"),
            seen("/srv", stat("directory", "0755")),
            ["update directory /srv: mode is 0755, should be 0750"],
        ),
        (Directory("/srv"), seen("/srv", stat()), ["update directory /srv: is a regular file"]),
        (OwnedDirectory("/srv", 1, 2, "0700"), seen(), ["create directory /srv"]),
        (OwnedDirectory("/srv", 1, 2, "0700"), seen(outputs={"owner of /srv": "1:2 700\n"}), []),
        (
            OwnedDirectory("/srv", 1, 2, "0700"),
            seen(outputs={"owner of /srv": "0:0 755\n"}),
            ["update directory /srv: is 0:0 755, should be 1:2 700; what is in it stays as it is"],
        ),
        # --- unmanaged files
        (ManagedGlob("/d/*", ("/d/a",)), seen(listings={"/d/*": ("/d/a",)}), []),
        (ManagedGlob("/d/*", ("/d/a",)), seen(), []),
        (
            ManagedGlob("/d/*", ("/d/a",)),
            seen(listings={"/d/*": ("/d/a", "/d/b")}),
            [f"remove file /d/b: the inventory does not declare it; {COPIES}"],
        ),
        # --- packages, users, programs
        (Packages(("a", "b")), seen(packages={"a": "installed", "b": "installed"}), []),
        (Packages(("a", "b", "c")), seen(packages={"a": "installed", "b": "config-files"}), ["install packages b c"]),
        (
            Packages(("a",)),
            seen(packages={"a": "installed"}, outputs={"interrupted installation": "/usr/sbin/policy-rc.d\n"}),
            ["install packages a: an installation was interrupted"],
        ),
        (User("app", 800, "/"), seen(), ["create user app"]),
        (User("app", 800, "/"), seen(outputs={"user app": "app:x:800:800::/:/bin/sh\n"}), []),
        (User("app", 800, "/"), seen(outputs={"user app": "app:x:99:99::/:/bin/sh"}), ["update user app: uid is 99"]),
        (PROGRAM, seen(), ["install program app 1.0"]),
        (PROGRAM, seen(UPLOAD.path, stat(mode="0755", size=100, mtime=7)), []),
        (PROGRAM, seen(UPLOAD.path, stat(mode="0755", size=100, mtime=8)), ["update program app 1.0"]),
        (PROGRAM, seen(UPLOAD.path, stat(mode="0755", size=99, mtime=7)), ["update program app 1.0"]),
        (PROGRAM, seen(UPLOAD.path, stat(mode="0700", size=100, mtime=7)), ["update program app 1.0"]),
        (PROGRAM, seen(UPLOAD.path, stat(mode="0755", owner="a:a", size=100, mtime=7)), ["update program app 1.0"]),
        (
            PROGRAM,
            seen(UPLOAD.path, stat(mode="0755", size=100, mtime=1 << 28)),
            ["update program app 1.0: Phoenix did not write it: a copy is kept in /var/lib/phoenix/replaced"],
        ),
        # --- generated on the host
        (GeneratedFile("/key", "make", "a:a"), seen(), ["create file /key: generated on the host"]),
        (GeneratedFile("/key", "make", "a:a"), seen("/key", stat(mode="0600", owner="a:a")), []),
        (
            GeneratedFile("/key", "make", "a:a"),
            seen("/key", stat(mode="0644", owner="a:a")),
            ["update file /key: is a:a 0644"],
        ),
        (Command("state", "ask", "good", "do"), seen(outputs={"state": "good\n"}), []),
        (Command("state", "ask", "good", "do"), seen(outputs={"state": "bad"}), ["update state: is 'bad'"]),
        (Command("state", "ask", "good", "do", "install"), seen(), ["install state"]),
        # --- units
        (Unit("app.service"), seen(units={"app.service": RUNNING}), []),
        (Unit("app.service"), seen(), ["enable unit app.service", "start unit app.service: is absent"]),
        (Unit("app.service"), seen(units={"app.service": STOPPED}), ["start unit app.service: is inactive"]),
        (Unit("app.service"), seen(units={"app.service": DISABLED}), ["enable unit app.service"]),
        (Unit("app.service", enabled=None, active=None), seen(), []),
        (Unit("app.service", active=False), seen(units={"app.service": RUNNING}), ["stop unit app.service"]),
        (
            Unit("app.service", "[Unit]\n"),
            seen(units={"app.service": RUNNING}),
            [
                "create file /etc/systemd/system/app.service",
                "(reload unit app.service)",
                "restart unit app.service: its settings changed",
            ],
        ),
        # --- daemons
        (DAEMON, seen(file=stat(), content=b"new\n", units={"app.service": RUNNING}), []),
        (
            DAEMON,
            seen(file=stat(), content=b"old\n", units={"app.service": RUNNING}),
            [
                *BEGIN,
                f"update file {CONF}: content differs",
                *CHECK,
                "reload unit app.service: its files changed",
                *CLOSE,
            ],
        ),
        (
            DAEMON,
            seen(file=stat(), content=b"old\n", units={"app.service": STOPPED}),
            [*BEGIN, f"update file {CONF}: content differs", *CHECK, "start unit app.service: is inactive", *CLOSE],
        ),
        (
            DAEMON,
            seen(file=stat(), content=b"new\n", units={"app.service": STOPPED}),
            [*BEGIN, "start unit app.service: is inactive", *CLOSE],
        ),
        (
            DAEMON,
            seen(
                file=stat(),
                content=b"new\n",
                units={"app.service": RUNNING},
                listings={"/var/lib/phoenix/begun/app.service": ("/var/lib/phoenix/begun/app.service",)},
            ),
            [*BEGIN, *CHECK, "reload unit app.service: an earlier run was interrupted", *CLOSE],
        ),
        (
            Daemon(Unit("app.service"), watched=(NEW,)),
            seen(units={"app.service": RUNNING}),
            [*BEGIN, f"create file {CONF}", "(update unit app.service)"],
        ),
        (
            Daemon(Unit("app.service"), files=(NEW,), on_change="restart"),
            seen(units={"app.service": RUNNING}),
            [*BEGIN, f"create file {CONF}", "restart unit app.service: its files changed", "(update unit app.service)"],
        ),
        (
            Daemon(Unit("app.service"), reread=(NEW,), on_change="restart"),
            seen(units={"app.service": RUNNING}),
            [*BEGIN, f"create file {CONF}", "reload unit app.service: its files changed", "(update unit app.service)"],
        ),
        (
            Daemon(Unit("app.service"), files=(NEW,), reread=(File("/etc/names", "new\n"),), on_change="restart"),
            seen(units={"app.service": RUNNING}),
            [
                *BEGIN,
                f"create file {CONF}",
                "create file /etc/names",
                "restart unit app.service: its files changed",
                "(update unit app.service)",
            ],
        ),
    ],
)
def test_changes(resource: Resource, observation: Observation, changes: list[str]) -> None:
    """The changes of a resource for an observation are exactly those of the table."""
    assert formatted(resource, observation) == changes


def test_diff() -> None:
    """The diff of a file shows both contents; that of a file generated on the host is empty."""
    (change,) = NEW.changes(seen(file=stat(), content=b"old\n"))
    assert change.diff.splitlines()[-2:] == ["-old", "+new"]
    (generated,) = GeneratedFile("/key", "make").changes(seen())
    assert generated.diff == ""


@pytest.mark.parametrize(
    "resource", [File(CONF, "s3cret"), GeneratedFile("/key", "echo s3cret"), Command("x", "q", "w", "s3cret")]
)
def test_scripts_are_not_shown(resource: Resource) -> None:
    """The script of a change is not part of its printed form."""
    assert "s3cret" not in "".join(repr(change) for change in resource.changes(seen()) if not change.diff)
