"""The CA's files that follow from its state: ca.json, and the published certificates."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.conventions import CA_STATE
from phoenix.converge import Change, File, Observation, Probe
from phoenix.converge.files import write_script
from phoenix.derive.authority import PUBLISHED_BUNDLE, PUBLISHED_ISSUER, SIGNING_ROOT
from phoenix.pki.ca.config import CaSettings, Signing, desired_config, differences, dump_config
from phoenix.pki.ca.state import SeenState, signing_root
from phoenix.tasks.authority.state import CONFIG, USER, state_probes, valid_ca_state


@dataclass(frozen=True)
class CaConfig:
    """ca.json, compared by meaning. The steps of a rotation give `signs`; otherwise the current signer stays."""

    settings: CaSettings
    signs: Signing | None = None

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the state."""
        return (*state_probes(), Probe("stat", CONFIG))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write it if it differs. It holds encrypted keys, so the change lists paths, not values."""
        found = valid_ca_state(seen)
        if found is None:
            return ()
        want = desired_config(found.config, self.settings, self.signs)
        places = ", ".join(differences(found.config, want))
        stat = seen.stats.get(CONFIG)
        if not places and stat and (stat.owner, stat.mode) == (f"{USER}:{USER}", "0600"):
            return ()
        script = write_script(CONFIG, dump_config(want), f"{USER}:{USER}", "0600")
        return (Change(f"file {CONFIG}", "update", places or "owner or mode", script=script),)


@dataclass(frozen=True)
class Published:
    """A public copy beside the state: the bundle of anchors, the signing root, or the intermediate."""

    name: str
    signs: Signing | None = None

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the state and the copy."""
        return (*state_probes(), *File(f"{CA_STATE}/{self.name}", "").probes())

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write the copy if it differs."""
        found = valid_ca_state(seen)
        if found is None:
            return ()
        content = published(found.state, self.signs or found.signs)[self.name]
        return File(f"{CA_STATE}/{self.name}", content, f"{USER}:{USER}", "0644").changes(seen)


def published(state: SeenState, signs: Signing) -> dict[str, str]:
    """Derive the published files for a signer; the old root stays first until it is withdrawn."""
    pems = {path: f"{text.strip()}\n" for path, text in state.certificates.items()}
    return {
        PUBLISHED_BUNDLE: "".join(pems[path] for path in signs.roots),
        SIGNING_ROOT: pems[signing_root(state, signs) or signs.roots[0]],
        PUBLISHED_ISSUER: pems[signs.certificate],
    }
