"""The scan of a host against the inventory: each fault gives its flag, and a healthy host has none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from phoenix.derive.certificates import leaves_of
from phoenix.derive.routes import routes
from phoenix.estate import Service, Validity, load_estate
from phoenix.pki.audit.compare import AuditInput, audit, may_pass
from phoenix.pki.audit.expected import AuditPaths
from phoenix.pki.audit.finding import CommonRole, Finding
from phoenix.pki.audit.scan import FileLocation, FoundCertificate, FoundKey, FoundStore, Scan, public_sum
from phoenix.pki.bundle import Bundle, SeenAuthority
from tests.support import estates, places
from tests.unit.phoenix.pki.chains import CLIENT, DAY, NOW, SERVER, make, pem

PATHS = AuditPaths("/ca", "/usr/local/share/ca-certificates/anchor.crt", "/etc/bundle.crt", "/etc/acme.json")
SERVICE = Service(port=9001, scheme="https", tls="server", certificate=Validity.model_validate({"lifetime": "2d"}))
SHOWN = Service(port=8000, expose=True, aliases=("dash.old.test",))
ESTATE = estates.estate(
    estates.guest("app", 20, "lxc", "trusted_ca", "step_cli", services={"door": SERVICE, "dash": SHOWN})
)
LEAF = next(leaf for leaf in leaves_of(ESTATE, "app") if leaf.name == "door")
TIMER = "phoenix-renew-door.timer"
YEAR = 365 * DAY
ROOT = make("root", "root", depth=1, begin=-YEAR, end=YEAR)
OTHER = make("other", "other", depth=1, begin=-YEAR, end=YEAR)
MIDDLE = make("middle", "root", depth=0, begin=-YEAR, end=YEAR)
AUTHORITY = SeenAuthority(Bundle((pem([ROOT]),)), pem([MIDDLE]))


def at(path: str, mode: str = "0644", owner: str = "root:root") -> FileLocation:
    """A file on the host."""
    return FileLocation("app", path, owner, mode)


def certificate(begin: timedelta = -DAY, names: Iterable[str] = (*LEAF.dns, *LEAF.ips)) -> FoundCertificate:
    """The leaf in its file, good by default."""
    made = make("leaf", "middle", names=names, usages=(SERVER, CLIENT), begin=begin, end=begin + 2 * DAY)
    return FoundCertificate(at(LEAF.certificate), (pem([made]), pem([MIDDLE])))


GOOD = certificate()
PUBLIC = public_sum(make("leaf", "middle"))
KEY = FoundKey(at(LEAF.key, "0600"), "plain", PUBLIC, "EC P-256")
ANCHORS = [FoundCertificate(at(path), (pem([ROOT]),)) for path in (PATHS.anchor, PATHS.bundle)]


def scan(**different: object) -> Scan:
    """A healthy host with some differences."""
    healthy = Scan(
        "app", complete=True, certificates=[GOOD, *ANCHORS], keys=[KEY], units={TIMER: ("active", "success")},
    )  # fmt: skip
    return replace(healthy, **different)  # type: ignore[arg-type]  # the fields of Scan


def der(found: FoundCertificate) -> bytes:
    """The first certificate of a file, as a server presents it."""
    return x509.load_pem_x509_certificate(found.chain[0].encode()).public_bytes(Encoding.DER)


def audited(*scans: Scan, authority: SeenAuthority | None = AUTHORITY) -> tuple[Finding, ...]:
    """The audit of these hosts."""
    return audit(ESTATE, PATHS, AuditInput({each.host: each for each in scans}, {}, authority), NOW)


def flags(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """Severity, kind and path of every flag."""
    return [(flag.severity, flag.kind, finding.path) for finding in findings for flag in finding.flags]


RSA = FoundKey(at("/srv/old.key", "0600"), "plain", "5" * 64, "RSA 1024")
UNMANAGED = FoundCertificate(at("/srv/unmanaged.crt"), (pem([OTHER]),))
DEAD = FoundCertificate(at("/srv/dead.crt"), (pem([make("dead", "dead", begin=-9 * DAY, end=-DAY)]),))
TABLE: dict[str, tuple[dict[str, object], list[tuple[str, str, str]]]] = {
    "healthy": ({}, []),
    "unmanaged": ({"certificates": [GOOD, *ANCHORS, UNMANAGED]}, [("red", "stranger", "/srv/unmanaged.crt")]),
    "expired and unmanaged": (
        {"certificates": [GOOD, *ANCHORS, DEAD]},
        [("red", "expired", "/srv/dead.crt"), ("red", "stranger", "/srv/dead.crt")],
    ),
    "leaf missing": ({"certificates": ANCHORS}, [("red", "missing", LEAF.certificate)]),
    "key missing": ({"keys": []}, [("red", "wrong", LEAF.certificate), ("red", "missing", LEAF.key)]),
    "leaf expired": (
        {"certificates": [certificate(-3 * DAY), *ANCHORS]}, [("red", "expired", LEAF.certificate)],
    ),
    "leaf about to be renewed": (
        {"certificates": [certificate(-2 * DAY + 15.9 * timedelta(hours=1)), *ANCHORS]},
        [("yellow", "due", LEAF.certificate)],
    ),
    "leaf overdue": (
        {"certificates": [certificate(-2 * DAY + timedelta(hours=9)), *ANCHORS]}, [("red", "due", LEAF.certificate)],
    ),
    "leaf of another name": (
        {"certificates": [certificate(names=["web.lab.test"]), *ANCHORS]}, [("red", "wrong", LEAF.certificate)],
    ),
    "world-readable key": ({"keys": [replace(KEY, location=at(LEAF.key, "0604"))]},
                        [("red", "wrong", LEAF.certificate), ("red", "world-readable", LEAF.key)]),
    "world-writable leaf": (
        {"certificates": [replace(GOOD, location=at(LEAF.certificate, "0666")), *ANCHORS]},
        [("red", "writable", LEAF.certificate), ("red", "wrong", LEAF.certificate)],
    ),
    "another key": (
        {"keys": [replace(KEY, public="1" * 64)]}, [("red", "wrong", LEAF.certificate)],
    ),
    "the same key twice": (
        {"keys": [KEY, replace(KEY, location=at("/srv/copy.key", "0600"))]},
        [("red", "duplicate", LEAF.key), ("red", "duplicate", "/srv/copy.key"), ("red", "stranger", "/srv/copy.key")],
    ),
    "a weak key": ({"keys": [KEY, RSA]}, [("red", "stranger", "/srv/old.key"), ("red", "weak", "/srv/old.key")]),
    "an encrypted key": (
        {"keys": [KEY, FoundKey(at("/srv/x.key", "0600"), "encrypted")]},
        [("red", "stranger", "/srv/x.key"), ("yellow", "encrypted", "/srv/x.key")],
    ),
    "a broken key": (
        {"keys": [KEY, FoundKey(at("/etc/ssh/ssh_host_x_key", "0600"), "broken")]},
        [("red", "unreadable", "/etc/ssh/ssh_host_x_key")],
    ),
    "a key of the system": ({"keys": [KEY, FoundKey(at("/etc/ssh/ssh_host_x_key", "0600"), "plain", "3" * 64)]}, []),
    "invalid certificate": (
        {"certificates": [GOOD, *ANCHORS, FoundCertificate(at("/srv/x"), (pem([OTHER])[:200],))]},
        [("red", "unreadable", "/srv/x")],
    ),
    "a foreign anchor": (
        {"certificates": [GOOD, *ANCHORS, replace(UNMANAGED, location=at("/usr/local/share/ca-certificates/x.crt"))]},
        [("red", "anchor", "/usr/local/share/ca-certificates/x.crt"),
         ("red", "stranger", "/usr/local/share/ca-certificates/x.crt")],
    ),
    "an anchor in another file": (
        {"certificates": [GOOD, *ANCHORS, FoundCertificate(at("/srv/root.crt"), (pem([ROOT]),))]}, [],
    ),
    "a foreign certificate in the bundle": (
        {"certificates": [GOOD, ANCHORS[0], FoundCertificate(at(PATHS.bundle), (pem([ROOT]), pem([OTHER])))]},
        [("red", "stranger", f"{PATHS.bundle}#2"), ("red", "wrong", PATHS.bundle)],
    ),
    "the bundle is missing": ({"certificates": [GOOD, ANCHORS[0]]}, [("red", "missing", PATHS.bundle)]),
    "renewal failed": (
        {"units": {TIMER: ("active", "success"), "phoenix-renew-door.service": ("failed", "exit-code")}},
        [("red", "renewal failed", LEAF.certificate)],
    ),
    "its timer stopped": ({"units": {TIMER: ("inactive", "success")}}, [("red", "renewal failed", LEAF.certificate)]),
    "its timer absent": ({"units": {}}, [("red", "renewal failed", LEAF.certificate)]),
    "the file is served": ({"served": {"door": der(GOOD)}}, []),
    "another is served": ({"served": {"door": der(certificate())}}, [("red", "served", LEAF.certificate)]),
    "nothing is served": ({"served": {"door": b""}}, [("red", "served", LEAF.certificate)]),
    "no answer in time": ({"silent": {"door"}}, [("red", "unasked", LEAF.certificate)]),
    "a store": ({"stores": [FoundStore(at("/srv/x.p12", "0644"))]},
                [("red", "world-readable", "/srv/x.p12"), ("yellow", "store", "/srv/x.p12")]),
    "many anchors": ({"stores": [FoundStore(at("/opt/cacert.pem"), 140)]}, [("yellow", "store", "/opt/cacert.pem")]),
    "an unreadable file": ({"unreadable": [at("/srv/x.pem", "0600")]}, [("red", "unreadable", "/srv/x.pem")]),
    "the scan was cut off": ({"complete": False}, [("red", "unasked", "-")]),
}  # fmt: skip


@pytest.mark.parametrize("title", TABLE)
def test_flags(title: str) -> None:
    """Each difference gives exactly the flags in the table."""
    different, expected = TABLE[title]
    assert sorted(flags(audited(scan(**different)))) == sorted(expected)


def test_red_first() -> None:
    """Red findings come before yellow ones, and those before the rest."""
    stores = [FoundStore(at("/opt/cacert.pem"), 140)]
    ranks = [finding.rank for finding in audited(scan(certificates=[GOOD, *ANCHORS, UNMANAGED], stores=stores))]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_the_same_key_on_two_hosts() -> None:
    """A key on two hosts is flagged on both; each flag names the other host."""
    there = FoundKey(FileLocation("mesh", "/etc/ssh/ssh_host_x_key", "root:root", "0600"), "plain", "3" * 64)
    here = replace(there, location=at("/etc/ssh/ssh_host_x_key", "0600"))
    findings = audited(scan(keys=[KEY, here]), Scan("mesh", complete=False, keys=[there]))
    texts = [flag.text for finding in findings for flag in finding.flags if flag.kind == "duplicate"]
    assert sorted(texts) == [f"the same key as {host}:/etc/ssh/ssh_host_x_key" for host in ("app", "mesh")]


def test_host_without_a_scan() -> None:
    """A host that could not be scanned is a red finding with the reason."""
    (finding,) = audit(ESTATE, PATHS, AuditInput({}, {"app": "no answer within 90 s"}, None), NOW)
    assert (finding.host, finding.is_red, finding.flags[0].text) == ("app", True, "no answer within 90 s")


def test_external_workload() -> None:
    """Certificates of an external workload are unmanaged and only yellow, unless the host trusts them."""
    external = estates.estate(estates.guest("app", 20, "lxc", workload="external"))
    anchor = replace(UNMANAGED, location=at("/usr/local/share/ca-certificates/x.crt"))
    scans = {"app": Scan("app", complete=True, certificates=[UNMANAGED, anchor])}
    findings = audit(external, PATHS, AuditInput(scans, {}, AUTHORITY), NOW)
    assert [(finding.path, finding.is_red, finding.role) for finding in findings] == [
        (anchor.location.path, True, CommonRole.UNMANAGED),
        (UNMANAGED.location.path, False, CommonRole.EXTERNAL),
    ]


def test_certificates_of_the_ca() -> None:
    """The root's flag states where its key is; an intermediate that expires before the leaves it signs is due."""
    soon = make("middle", "root", depth=0, begin=-YEAR, end=DAY)
    files = {"certs/root_ca.crt": ROOT, "certs/intermediate_ca.crt": soon}
    names = (*files, "secrets/intermediate_ca_key", "secrets/root_ca_key")
    locations = {name: FileLocation("ca", f"/ca/{name}", "800:800", "0600") for name in names}
    certificates = [FoundCertificate(locations[name], (pem([made]),)) for name, made in files.items()]
    keys = [FoundKey(locations["secrets/intermediate_ca_key"], "encrypted")]
    findings = audited(Scan("ca", complete=True, certificates=certificates, keys=keys))
    texts = {(one.path, flag.severity, flag.kind): flag.text for one in findings for flag in one.flags}
    assert texts["/ca/certs/root_ca.crt", "note", "root key"] == "its key is offline"
    assert "rotate it" in texts["/ca/certs/intermediate_ca.crt", "red", "due"]
    assert texts["/ca/secrets/intermediate_ca_key", "note", "encrypted"]
    online = FoundKey(locations["secrets/root_ca_key"], "encrypted")
    findings = audited(Scan("ca", complete=True, certificates=certificates, keys=[*keys, online]))
    assert "its key is online" in [flag.text for finding in findings for flag in finding.flags]


def test_certificate_that_the_ca_presents() -> None:
    """The CA's port gives a finding for the certificate that it presents, and a red one if nothing answers."""
    served = make("ca", "middle", names=["ca.lab.test"])
    answers = {"authority": served.public_bytes(Encoding.DER)}
    (finding,) = audited(Scan("ca", served=answers, complete=False))[1:]
    assert (finding.path, finding.role, finding.flags) == ("port 9000", CommonRole.AUTHORITY, ())
    findings = audited(Scan("ca", served={"authority": b""}, complete=False))
    assert ("red", "served", "port 9000") in flags(findings)
    assert ("red", "unasked", "port 9000") in flags(audited(Scan("ca", silent={"authority"}, complete=False)))


def test_copies_that_a_service_keeps() -> None:
    """Portainer's copy of a client's leaf is neither unmanaged nor a duplicate; an outdated copy is flagged."""
    estate = load_estate(places.ROOT / "inventory")
    leaf = next(leaf for leaf in leaves_of(estate, "portainer") if leaf.usage == "client")

    def certificate_at(path: str, chain: tuple[str, ...]) -> FoundCertificate:
        return FoundCertificate(FileLocation("portainer", path, "root:root", "0600"), chain)

    key = FoundKey(FileLocation("portainer", leaf.key, "root:root", "0600"), "plain", PUBLIC, "EC P-256")
    key_copy = replace(key, location=replace(key.location, path="/persistent-storage/portainer/data/tls/1/key.pem"))
    copy = "/persistent-storage/portainer/data/tls/1/cert.pem"
    for chain, kinds in ((GOOD.chain, []), (certificate().chain, ["served"])):
        certificates = [certificate_at(leaf.certificate, GOOD.chain), certificate_at(copy, chain)]
        scans = {"portainer": Scan("portainer", certificates=certificates, keys=[key, key_copy])}
        findings = {one.path: one for one in audit(estate, PATHS, AuditInput(scans, {}, AUTHORITY), NOW)}
        assert [flag.kind for flag in findings[copy].flags] == kinds
        copied = findings[key_copy.location.path]
        assert (copied.role, copied.flags) == (CommonRole.COPY, ())
        assert findings[copy].readers == findings[leaf.certificate].readers == ("portainer",)


def test_certificates_of_the_mesh() -> None:
    """In the mesh's storage a name with a route is managed, another one is not, and an absent one is missing."""
    host, storage = ESTATE.guest_with("traefik").name, PATHS.mesh
    (name,) = (route.name for route in routes(ESTATE))
    made = {part: make(part, "middle", names=[part, "dash.old.test"], end=20 * DAY) for part in (name, "gone.lab.test")}
    certificates = [
        FoundCertificate(FileLocation(host, storage, "801:801", "0600", part), (pem([leaf]), pem([MIDDLE])))
        for part, leaf in made.items()
    ]
    findings = audited(Scan(host, complete=True, certificates=certificates), Scan("app"))
    of_storage = [flag for flag in flags(findings) if flag[2].startswith(storage)]
    assert of_storage == [("red", "stranger", f"{storage}#gone.lab.test")]
    assert ("red", "missing", f"{storage}#{name}") in flags(audited(Scan(host, complete=True)))


def test_service_named_like_a_common_role() -> None:
    """A key of a leaf that is called like a common role is still a leaf's key."""
    estate = estates.estate(estates.guest("app", 20, "lxc", services={"copy": SERVICE}))
    leaf = next(leaf for leaf in leaves_of(estate, "app") if leaf.name == "copy")
    keys = [replace(KEY, location=at(path, "0600")) for path in (leaf.key, "/srv/copy.key")]
    findings = audit(estate, PATHS, AuditInput({"app": Scan("app", keys=keys)}, {}, AUTHORITY), NOW)
    assert [finding.subject for finding in findings if finding.path == leaf.key] == ["key of copy"]
    assert ("red", "duplicate", leaf.key) in flags(findings)


@pytest.mark.parametrize(
    ("different", "passes"),
    [
        ({}, False),
        ({"served": {"door": b""}}, True),
        ({"silent": {"door"}}, True),
        ({"certificates": [GOOD]}, False),
        ({"keys": [KEY, RSA]}, False),
    ],
)
def test_findings_that_may_pass(different: dict[str, object], *, passes: bool) -> None:
    """What a port presents may change soon; a file that is missing or foreign stays so."""
    assert may_pass(PATHS, audited(scan(**different))) is passes


def test_certificates_that_the_mesh_still_obtains() -> None:
    """A certificate that is missing in the mesh's storage may be there soon."""
    assert may_pass(PATHS, audited(Scan(ESTATE.guest_with("traefik").name, complete=True)))
