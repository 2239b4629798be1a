"""Further trust stores: Java, NSS, and the environment variables that Python's certifi and Node read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from phoenix.conventions import BUNDLE, SYSTEMD
from phoenix.converge import Change, File, Observation, Probe
from phoenix.pki.bundle import Bundle
from phoenix.tasks.trust.system_store import SYSTEM_BUNDLE, SystemStore, anchor_file
from phoenix.templating import assignments

CERTIFI = "lib/python3*/*-packages/certifi/cacert.pem"
PLACES: dict[str, tuple[str, ...]] = {
    "java": (
        *(f"/usr/lib/jvm/*/{folder}lib/security/cacerts" for folder in ("", "jre/")),
        *(f"/opt/{depth}/{folder}lib/security/cacerts" for depth in ("*", "*/*") for folder in ("", "jre/")),
    ),
    "nss": ("/root/.pki/nssdb/cert9.db", "/home/*/.pki/nssdb/cert9.db", "/etc/pki/nssdb/cert9.db"),
    "python": (
        "/usr/lib/python3*/*-packages/certifi/cacert.pem",
        f"/usr/local/{CERTIFI}",
        *(f"{folder}/*/{CERTIFI}" for folder in ("/root", "/opt", "/srv", "/home/*", "/opt/*", "/srv/*", "/home/*/*")),
    ),
    "node": (
        *(f"/usr/{name}" for name in ("bin/node", "bin/nodejs", "local/bin/node")),
        *("/opt/*/bin/node", "/root/.nvm/versions/node/*/bin/node", "/home/*/.nvm/versions/node/*/bin/node"),
    ),
}
"""Patterns of the paths where stores are looked for, by kind. The disk is not searched."""
FUNCTIONS = assignments(PLACES) + files("phoenix.tasks.trust").joinpath("other_stores.sh").read_text("utf-8")
PYTHON = {"REQUESTS_CA_BUNDLE": SYSTEM_BUNDLE, "SSL_CERT_FILE": SYSTEM_BUNDLE}
NODE = {"NODE_EXTRA_CA_CERTS": BUNDLE}
MANAGER = f"{SYSTEMD.removesuffix('/system')}/system.conf.d/phoenix-trust.conf"
ENVIRONMENT_FILES = ("/etc/profile.d/phoenix-trust.sh", "/etc/environment.d/90-phoenix-trust.conf", MANAGER)


@dataclass(frozen=True)
class _Found:
    kind: str
    path: str
    holds: frozenset[str]


@dataclass(frozen=True)
class OtherStores:
    """Every further store of the host with exactly the anchors; a missing store is not created."""

    bundle: Bundle

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the stores, their contents, and the files of the environment."""
        look = Probe("command", "other stores", f"{FUNCTIONS}\nfind_stores")
        return (look, *(Probe(kind, path) for path in ENVIRONMENT_FILES for kind in ("listing", "content", "stat")))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Update each store with other anchors of the estate, and the environment."""
        lines = [line.split("|") for line in seen.outputs.get("other stores", "").splitlines()]
        found = [_Found(kind, path, frozenset(holds.split())) for kind, path, holds in lines]
        return (*self._databases(found), *self._environment(found, seen))

    @property
    def _anchors(self) -> dict[str, str]:
        names = SystemStore(self.bundle).names
        prints = self.bundle.fingerprints
        return {f"phoenix_ca_{print_[:8]}": anchor_file(name) for name, print_ in zip(names, prints, strict=True)}

    def _databases(self, found: list[_Found]) -> Iterator[Change]:
        anchors = self._anchors
        words = " ".join(f"{alias}={path}" for alias, path in anchors.items())
        for store in found:
            unknown_and_unwanted = not anchors and "?" in store.holds
            if store.kind in ("java", "nss") and store.holds != anchors.keys() and not unknown_and_unwanted:
                script = f"({FUNCTIONS}\nserve_{store.kind} {shlex.quote(store.path)} {words})"
                yield Change(f"trust store {store.path}", "update", "its anchors of the estate differ", script=script)

    def _environment(self, found: list[_Found], seen: Observation) -> Iterator[Change]:
        kinds = {store.kind for store in found}
        values = (PYTHON if "python" in kinds else {}) | (NODE if "node" in kinds else {})
        if not self.bundle.anchors or not values:
            reason = "no program on the host reads it"
            there = [path for path in ENVIRONMENT_FILES if path in seen.listings]
            changes = [Change(f"file {path}", "remove", reason, script=f"rm -f {path}") for path in there]
            tells_manager = MANAGER in there
        else:
            files = environment_files(values)
            changes = [change for file in files for change in file.changes(seen)]
            tells_manager = any(file.path == MANAGER and file.changes(seen) for file in files)
        yield from changes
        if tells_manager:
            yield Change("systemd", "reload", script="systemctl daemon-reload", guard=True)


def environment_files(values: dict[str, str]) -> tuple[File, ...]:
    """Variables for shells, for users' services, and for the system's services."""
    shell = "".join(f"export {name}={value}\n" for name, value in values.items())
    users = "".join(f"{name}={value}\n" for name, value in values.items())
    pairs = " ".join(f'"{name}={value}"' for name, value in values.items())
    contents = (shell, users, f"[Manager]\nDefaultEnvironment={pairs}\n")
    return tuple(File(path, content) for path, content in zip(ENVIRONMENT_FILES, contents, strict=True))
