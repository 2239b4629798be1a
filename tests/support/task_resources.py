"""How a simulated host is converged to the tasks' own resources; tests of tasks import this beside `converged`."""

from __future__ import annotations

import json
import time
from base64 import b64encode

from phoenix.conventions import BUNDLE, CA_STATE
from phoenix.derive.authority import PUBLISHED_BUNDLE, PUBLISHED_ISSUER, SIGNING_ROOT
from phoenix.pki.ca.config import OLD_PAIR, OLD_ROOT, desired_config, read_config
from phoenix.pki.ca.state import BEGUN, NEEDED, RESTORING, ROOT_KEY
from phoenix.tasks.authority.files import CaConfig, Published
from phoenix.tasks.authority.state import CONFIG, State
from phoenix.tasks.certificates.clock import Clock
from phoenix.tasks.certificates.leaf_resource import LeafFiles, ObsoleteLeaves
from phoenix.tasks.hosts.storage import EXPORTS_FILE, HEAD, Exported, ManagedDataset
from phoenix.tasks.routing.mesh_certificates import MeshCertificates
from phoenix.tasks.trust.push import Trust
from phoenix.tasks.trust.system_store import SystemStore
from phoenix.tasks.workloads.docker import ForeignContainers, Images
from phoenix.tasks.workloads.portainer import REGISTERED, TITLE, Registration, Withdrawal
from tests.support.converged import Entry, SimulatedHost, bring
from tests.support.estate_ca import INTERMEDIATE, KEY_ID, ROOT, issued, mesh_chain
from tests.unit.phoenix.pki.certificates import public

PUBLISHED = {PUBLISHED_BUNDLE: ROOT, SIGNING_ROOT: ROOT, PUBLISHED_ISSUER: INTERMEDIATE}
PEMS = {OLD_ROOT: ROOT, OLD_PAIR[0]: INTERMEDIATE}
CA_PATHS = (*NEEDED, *BEGUN, RESTORING, ROOT_KEY)
STEP = "step:step"


@bring.register
def _(_resource: Clock, host: SimulatedHost) -> None:
    host.outputs["clock"] = f"{time.time():.0f}\n"


@bring.register
def _(resource: LeafFiles, host: SimulatedHost) -> None:
    leaf = resource.leaf
    host.paths[leaf.certificate] = Entry(issued(leaf).encode(), leaf.owner)
    host.paths[leaf.key] = Entry(b"key\n", leaf.owner, leaf.key_mode)
    (subject,) = (probe.subject for probe in resource.probes() if probe.kind == "command")
    host.outputs[subject] = lambda host: public(leaf.name) if leaf.key in host.paths else ""


@bring.register
def _(resource: ObsoleteLeaves, host: SimulatedHost) -> None:
    (probe,) = resource.probes()
    for path in host.matching(probe.subject):
        if path not in resource.scripts:
            del host.paths[path]


@bring.register
def _(resource: Exported, host: SimulatedHost) -> None:
    entry = host.paths.pop(EXPORTS_FILE, Entry())
    if lines := resource.lines(entry.content.decode()):
        host.paths[EXPORTS_FILE] = Entry("\n".join((HEAD, *lines, "")).encode())


@bring.register
def _(resource: ManagedDataset, host: SimulatedHost) -> None:
    host.outputs[f"dataset {resource.name}"] = f"{resource.zone}\n{resource.wanted}\n"


@bring.register
def _(_resource: ForeignContainers, _host: SimulatedHost) -> None:
    """Leave the host as it is."""


@bring.register
def _(_resource: Registration, host: SimulatedHost) -> None:
    host.outputs[TITLE] = f"{REGISTERED}\n"


@bring.register
def _(_resource: Withdrawal, _host: SimulatedHost) -> None:
    """Leave the host as it is: the program's removal follows."""


@bring.register
def _(resource: Images, host: SimulatedHost) -> None:
    (probe,) = resource.probes()
    host.outputs[probe.subject] = "".join(f"{image} {image}@<none>\n" for image in resource.names)


@bring.register
def _(resource: Trust, host: SimulatedHost) -> None:
    store = SystemStore(resource.bundle)
    host.paths.pop(BUNDLE, None)
    if resource.bundle.anchors:
        host.paths[BUNDLE] = Entry(resource.bundle.pem.encode())
    host.converge(store.files)
    (subject,) = (probe.subject for probe in store.probes() if probe.kind == "command")
    host.outputs[subject] = ""


@bring.register
def _(resource: State, host: SimulatedHost) -> None:
    provisioners = [
        {"type": "JWK", "name": resource.settings.provisioner, "key": {"kid": KEY_ID}, "encryptedKey": "sealed"},
        {"type": "ACME", "name": "acme"},
    ]
    host.paths[CONFIG] = Entry(json.dumps({"authority": {"provisioners": provisioners}}).encode(), STEP, "0600")
    for path in (*NEEDED, ROOT_KEY):
        host.paths.setdefault(f"{CA_STATE}/{path}", Entry(PEMS.get(path, "made\n").encode(), STEP, "0600"))
    host.outputs["authority"] = _present
    host.outputs[f"public key of {OLD_PAIR[1]}"] = _public_key


def _present(host: SimulatedHost) -> str:
    return "\n".join(path for path in CA_PATHS if f"{CA_STATE}/{path}" in host.paths)


def _public_key(host: SimulatedHost) -> str:
    return public("intermediate") if f"{CA_STATE}/{OLD_PAIR[1]}" in host.paths else ""


@bring.register
def _(resource: CaConfig, host: SimulatedHost) -> None:
    current = read_config(host.paths[CONFIG].content.decode())
    content = json.dumps(desired_config(current, resource.settings, resource.signs))
    host.paths[CONFIG] = Entry(content.encode(), STEP, "0600")


@bring.register
def _(resource: Published, host: SimulatedHost) -> None:
    host.paths[f"{CA_STATE}/{resource.name}"] = Entry(PUBLISHED[resource.name].encode(), STEP)


@bring.register
def _(resource: MeshCertificates, host: SimulatedHost) -> None:
    (subject,) = (probe.subject for probe in resource.probes() if probe.kind == "command")
    host.outputs[subject] = "".join(
        f'"main": "{name}"\n"certificate": "{encoded(mesh_chain(hosts, resource.validity.lifetime))}"\n'
        for name, hosts in resource.wanted.items()
    )


def encoded(pem: str) -> str:
    """A chain as Traefik keeps it."""
    return b64encode(pem.encode()).decode()
