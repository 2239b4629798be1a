"""Downloads Debian packages with this machine's sources and apt configuration, but in an apt state of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.lab.images.debian_packages import SUITE
from phoenix.lab.programs import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WANTED_SUITES = (SUITE, f"{SUITE}-updates", f"{SUITE}-security")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEFAULT_SOURCES = (
    f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE} main",
    f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE}-updates main",
    f"deb [signed-by={KEYRING}] http://deb.debian.org/debian-security {SUITE}-security main",
)


def _is_debian(uri: str, signed_by: str) -> bool:
    """Whether a source is Debian or a mirror of it, not a third-party repository."""
    return "debian-archive" in signed_by or bool(re.search(r"/debian(-security)?/?$", uri))


def one_line_sources(content: str) -> list[str]:
    """Return the lines of a sources.list that serve Debian bookworm's main (sources.list(5))."""
    found = []
    for line in content.splitlines():
        match = re.match(
            r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<parts>[^#]+)", line
        )
        if not match or match["suite"] not in WANTED_SUITES or "main" not in match["parts"].split():
            continue
        options = match["options"] or ""
        if _is_debian(match["uri"], options):
            brackets = f"[{options.strip()}] " if options.strip() else ""
            found.append(f"deb {brackets}{match['uri']} {match['suite']} main")
    return found


def deb822_sources(content: str) -> list[str]:
    """Return the same from a *.sources file in deb822 format, converted to one-line format."""
    found = []
    plain = "\n".join(line for line in content.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = {
            key.lower(): value.split() for key, value in re.findall(r"(?m)^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza)
        }
        if "deb" not in fields.get("types", []) or "main" not in fields.get("components", []):
            continue
        if fields.get("enabled") == ["no"]:
            continue
        key = fields.get("signed-by", [])
        inline = len(key) != 1  # one-line format has no inline keys
        option = f"[signed-by={key[0]}] " if not inline else ""
        found += [
            f"deb {option}{uri} {suite} main"
            for uri in fields.get("uris", [])
            for suite in fields.get("suites", [])
            if suite in WANTED_SUITES and _is_debian(uri, "" if inline else key[0])
        ]
    return found


def machine_sources(etc_apt: Path = Path("/etc/apt")) -> list[str]:
    """Return this machine's sources for bookworm, or Debian's public ones if it has none."""
    found: list[str] = []
    for path in [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*.list"))]:
        if path.is_file():
            found += one_line_sources(path.read_text())
    for path in sorted((etc_apt / "sources.list.d").glob("*.sources")):
        found += deb822_sources(path.read_text())
    complete = any(f" {SUITE} main" in source for source in found)
    return list(dict.fromkeys(found)) if complete else list(DEFAULT_SOURCES)


@dataclass(frozen=True)
class PrivateApt:
    """apt with its own state below `base`, in which no package is installed."""

    base: Path

    def prepare(self, sources: Iterable[str]) -> None:
        """Create the state's directories and fetch the package lists."""
        for part in ("lists/partial", "cache/archives/partial"):
            (self.base / part).mkdir(parents=True, exist_ok=True)
        (self.base / "status").touch()
        (self.base / "sources.list").write_text("\n".join(sources) + "\n")
        run(["apt-get", *self._options(), "-qq", "update"], limit=180)

    def download(self, packages: Sequence[str]) -> Path:
        """Download packages, Debian's essential ones and all dependencies; return the directory that holds them."""
        argv = [
            "apt-get",
            *self._options(),
            "-qq",
            "-y",
            "--no-install-recommends",
            "--download-only",
            "install",
        ]
        run([*argv, "?essential", *packages], limit=900)
        return self.base / "cache/archives"

    def _options(self) -> list[str]:
        here = {
            "Dir::State": self.base,
            "Dir::State::Lists": self.base / "lists",
            "Dir::State::status": self.base / "status",
            "Dir::Cache": self.base / "cache",
            "Dir::Etc::sourcelist": self.base / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "APT::Sandbox::User": "root",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "1",
        }
        return [word for key, value in here.items() for word in ("-o", f"{key}={value}")]
