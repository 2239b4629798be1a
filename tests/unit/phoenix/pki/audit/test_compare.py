"""What is on a host against what should be: each fault is flagged as what it is, and a sound host has none."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from phoenix.derive.certificates import leaves_of
from phoenix.derive.routes import routes
from phoenix.estate import Service, Validity, load_estate
from phoenix.pki.audit.compare import Seen, audit
from phoenix.pki.audit.expected import Expected, Places
from phoenix.pki.audit.finding import Row
from phoenix.pki.audit.scan import FoundCertificate, FoundKey, FoundStore, Place, Scan, public_sum
from phoenix.pki.bundle import Bundle, SeenAuthority
from phoenix.report.audit import as_csv, as_json, write_report
from tests.support import estates, places
from tests.unit.phoenix.pki.chains import CLIENT, DAY, NOW, SERVER, make, pem

PLACES = Places("/ca", "/usr/local/share/ca-certificates/anchor.crt", "/etc/bundle.crt", "/etc/acme.json")
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


def place(path: str, mode: str = "0644", owner: str = "root:root") -> Place:
    """A file of the host."""
    return Place("app", path, owner, mode)


def certificate(begin: timedelta = -DAY, names: Iterable[str] = (*LEAF.dns, *LEAF.ips)) -> FoundCertificate:
    """The leaf in its place, good if nothing else is said."""
    made = make("leaf", "middle", names=names, usages=(SERVER, CLIENT), begin=begin, end=begin + 2 * DAY)
    return FoundCertificate(place(LEAF.certificate), (pem([made]), pem([MIDDLE])))


GOOD = certificate()
PUBLIC = public_sum(make("leaf", "middle"))
KEY = FoundKey(place(LEAF.key, "0600"), "plain", PUBLIC, "EC P-256")
ANCHORS = [FoundCertificate(place(path), (pem([ROOT]),)) for path in (PLACES.anchor, PLACES.bundle)]


def scan(**different: object) -> Scan:
    """A sound host, but for something."""
    sound = Scan(
        "app", complete=True, certificates=[GOOD, *ANCHORS], keys=[KEY], units={TIMER: ("active", "success")},
    )  # fmt: skip
    return replace(sound, **different)  # type: ignore[arg-type]  # the fields of Scan


def der(found: FoundCertificate) -> bytes:
    """The first certificate of a file, as a server presents it."""
    return x509.load_pem_x509_certificate(found.chain[0].encode()).public_bytes(Encoding.DER)


def audited(*scans: Scan, authority: SeenAuthority | None = AUTHORITY) -> tuple[Row, ...]:
    """The audit of these hosts."""
    return audit(ESTATE, PLACES, Seen({each.host: each for each in scans}, {}, authority), NOW)


def flags(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """Level, kind and path of everything that was said."""
    return [(flag.level, flag.kind, row.path) for row in rows for flag in row.flags]


RSA = FoundKey(place("/srv/old.key", "0600"), "plain", "5" * 64, "RSA 1024")
STRANGE = FoundCertificate(place("/srv/strange.crt"), (pem([OTHER]),))
DEAD = FoundCertificate(place("/srv/dead.crt"), (pem([make("dead", "dead", begin=-9 * DAY, end=-DAY)]),))
TABLE: dict[str, tuple[dict[str, object], list[tuple[str, str, str]]]] = {
    "sound": ({}, []),
    "stranger": ({"certificates": [GOOD, *ANCHORS, STRANGE]}, [("red", "stranger", "/srv/strange.crt")]),
    "expired stranger": (
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
    "key open to all": ({"keys": [replace(KEY, place=place(LEAF.key, "0604"))]},
                        [("red", "wrong", LEAF.certificate), ("red", "world-readable", LEAF.key)]),
    "leaf writable by all": (
        {"certificates": [replace(GOOD, place=place(LEAF.certificate, "0666")), *ANCHORS]},
        [("red", "writable", LEAF.certificate), ("red", "wrong", LEAF.certificate)],
    ),
    "another key": (
        {"keys": [replace(KEY, public="1" * 64)]}, [("red", "wrong", LEAF.certificate)],
    ),
    "the same key twice": (
        {"keys": [KEY, replace(KEY, place=place("/srv/copy.key", "0600"))]},
        [("red", "duplicate", LEAF.key), ("red", "duplicate", "/srv/copy.key"), ("red", "stranger", "/srv/copy.key")],
    ),
    "a weak key": ({"keys": [KEY, RSA]}, [("red", "stranger", "/srv/old.key"), ("red", "weak", "/srv/old.key")]),
    "an encrypted key": (
        {"keys": [KEY, FoundKey(place("/srv/x.key", "0600"), "encrypted")]},
        [("red", "stranger", "/srv/x.key"), ("yellow", "encrypted", "/srv/x.key")],
    ),
    "a broken key": (
        {"keys": [KEY, FoundKey(place("/etc/ssh/ssh_host_x_key", "0600"), "broken")]},
        [("red", "unreadable", "/etc/ssh/ssh_host_x_key")],
    ),
    "a key of the system": ({"keys": [KEY, FoundKey(place("/etc/ssh/ssh_host_x_key", "0600"), "plain", "3" * 64)]}, []),
    "no sound certificate": (
        {"certificates": [GOOD, *ANCHORS, FoundCertificate(place("/srv/x"), (pem([OTHER])[:200],))]},
        [("red", "unreadable", "/srv/x")],
    ),
    "an anchor that is none of ours": (
        {"certificates": [GOOD, *ANCHORS, replace(STRANGE, place=place("/usr/local/share/ca-certificates/x.crt"))]},
        [("red", "anchor", "/usr/local/share/ca-certificates/x.crt"),
         ("red", "stranger", "/usr/local/share/ca-certificates/x.crt")],
    ),
    "an anchor somewhere else": (
        {"certificates": [GOOD, *ANCHORS, FoundCertificate(place("/srv/root.crt"), (pem([ROOT]),))]}, [],
    ),
    "the bundle holds one too many": (
        {"certificates": [GOOD, ANCHORS[0], FoundCertificate(place(PLACES.bundle), (pem([ROOT]), pem([OTHER])))]},
        [("red", "stranger", f"{PLACES.bundle}#2"), ("red", "wrong", PLACES.bundle)],
    ),
    "the bundle is missing": ({"certificates": [GOOD, ANCHORS[0]]}, [("red", "missing", PLACES.bundle)]),
    "renewal failed": (
        {"units": {TIMER: ("active", "success"), "phoenix-renew-door.service": ("failed", "exit-code")}},
        [("red", "renewal failed", LEAF.certificate)],
    ),
    "its timer stopped": ({"units": {TIMER: ("inactive", "success")}}, [("red", "renewal failed", LEAF.certificate)]),
    "its timer absent": ({"units": {}}, [("red", "renewal failed", LEAF.certificate)]),
    "the file is served": ({"served": {"door": der(GOOD)}}, []),
    "another is served": ({"served": {"door": der(certificate())}}, [("red", "served", LEAF.certificate)]),
    "nothing is served": ({"served": {"door": b""}}, [("red", "served", LEAF.certificate)]),
    "a store": ({"stores": [FoundStore(place("/srv/x.p12", "0644"))]},
                [("red", "world-readable", "/srv/x.p12"), ("yellow", "store", "/srv/x.p12")]),
    "many anchors": ({"stores": [FoundStore(place("/opt/cacert.pem"), 140)]}, [("yellow", "store", "/opt/cacert.pem")]),
    "an unreadable file": ({"unreadable": [place("/srv/x.pem", "0600")]}, [("red", "unreadable", "/srv/x.pem")]),
    "the scan was cut off": ({"complete": False}, [("red", "unasked", "-")]),
}  # fmt: skip


@pytest.mark.parametrize("title", TABLE)
def test_flags(title: str) -> None:
    """A host with this is flagged with exactly that."""
    different, said = TABLE[title]
    assert sorted(flags(audited(scan(**different)))) == sorted(said)


def test_red_first() -> None:
    """Red rows come before yellow ones, and those before the rest."""
    stores = [FoundStore(place("/opt/cacert.pem"), 140)]
    ranks = [row.rank for row in audited(scan(certificates=[GOOD, *ANCHORS, STRANGE], stores=stores))]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_the_same_key_on_two_hosts() -> None:
    """A key that two hosts have is flagged on both, each naming the other."""
    there = FoundKey(Place("mesh", "/etc/ssh/ssh_host_x_key", "root:root", "0600"), "plain", "3" * 64)
    here = replace(there, place=place("/etc/ssh/ssh_host_x_key", "0600"))
    mesh = Scan("mesh", complete=False, keys=[there])
    said = [
        flag.text for row in audited(scan(keys=[KEY, here]), mesh) for flag in row.flags if flag.kind == "duplicate"
    ]
    assert sorted(said) == [f"the same key as {host}:/etc/ssh/ssh_host_x_key" for host in ("app", "mesh")]


def test_a_host_that_told_nothing() -> None:
    """A host that could not be asked is a red row with the reason."""
    rows = audit(ESTATE, PLACES, Seen({}, {"app": "no answer within 90 s"}, None), NOW)
    assert [(row.host, row.is_red, row.flags[0].text) for row in rows] == [("app", True, "no answer within 90 s")]


def test_somebody_elses_workload() -> None:
    """What belongs to a workload of somebody else is a stranger that need not be seen to, unless it is trusted."""
    outside = estates.estate(estates.guest("app", 20, "lxc", workload="external"))
    anchor = replace(STRANGE, place=place("/usr/local/share/ca-certificates/x.crt"))
    scans = {"app": Scan("app", complete=True, certificates=[STRANGE, anchor])}
    rows = audit(outside, PLACES, Seen(scans, {}, AUTHORITY), NOW)
    assert [(row.path, row.is_red) for row in rows] == [(anchor.place.path, True), (STRANGE.place.path, False)]


def test_the_authoritys_own() -> None:
    """Of the root is said where its key is; an intermediate that ends before what it signs is due."""
    soon = make("middle", "root", depth=0, begin=-YEAR, end=DAY)
    files = {"certs/root_ca.crt": ROOT, "certs/intermediate_ca.crt": soon}
    here = {name: Place("ca", f"/ca/{name}", "800:800", "0600") for name in (*files, "secrets/intermediate_ca_key")}
    found = [FoundCertificate(here[name], (pem([made]),)) for name, made in files.items()]
    keys = [FoundKey(here["secrets/intermediate_ca_key"], "encrypted")]
    rows = audited(Scan("ca", complete=True, certificates=found, keys=keys))
    said = {(row.path, flag.level, flag.kind): flag.text for row in rows for flag in row.flags}
    assert said["/ca/certs/root_ca.crt", "note", "root key"] == "its key is offline"
    assert "rotate it" in said["/ca/certs/intermediate_ca.crt", "red", "due"]
    assert said["/ca/secrets/intermediate_ca_key", "note", "encrypted"]
    online = FoundKey(Place("ca", "/ca/secrets/root_ca_key", "800:800", "0600"), "encrypted")
    rows = audited(Scan("ca", complete=True, certificates=found, keys=[*keys, online]))
    assert "its key is online" in [flag.text for row in rows for flag in row.flags]


def test_copies_that_a_reader_keeps() -> None:
    """Portainer's copy of a client's leaf is no stranger and no duplicate; an old copy says that it was not told."""
    estate = load_estate(places.ROOT / "inventory")
    leaf = next(leaf for leaf in leaves_of(estate, "portainer") if leaf.usage == "client")

    def found(path: str, chain: tuple[str, ...]) -> FoundCertificate:
        return FoundCertificate(Place("portainer", path, "root:root", "0600"), chain)

    key = FoundKey(Place("portainer", leaf.key, "root:root", "0600"), "plain", PUBLIC, "EC P-256")
    copied = replace(key, place=replace(key.place, path="/persistent-storage/portainer/data/tls/1/key.pem"))
    copy = "/persistent-storage/portainer/data/tls/1/cert.pem"
    for chain, said in ((GOOD.chain, []), (certificate().chain, ["served"])):
        seen = Scan("portainer", certificates=[found(leaf.certificate, GOOD.chain), found(copy, chain)])
        seen.keys += [key, copied]
        rows = {row.path: row for row in audit(estate, PLACES, Seen({"portainer": seen}, {}, AUTHORITY), NOW)}
        assert [flag.kind for flag in rows[copy].flags] == said
        assert (rows[copied.place.path].role, rows[copied.place.path].flags) == ("copy", ())
        assert rows[copy].readers == rows[leaf.certificate].readers == ("portainer",)


def test_certificates_of_the_mesh() -> None:
    """A name of the mesh's storage that has a route is known, another is a stranger, and one not there is missing."""
    host, where = ESTATE.guest_with("traefik").name, "/etc/acme.json"
    (name,) = (route.name for route in routes(ESTATE))
    made = {part: make(part, "middle", names=[part, "dash.old.test"], end=20 * DAY) for part in (name, "gone.lab.test")}
    certificates = [
        FoundCertificate(Place(host, where, "801:801", "0600", part), (pem([leaf]), pem([MIDDLE])))
        for part, leaf in made.items()
    ]
    rows = audited(Scan(host, complete=True, certificates=certificates), Scan("app"))
    said = {path: (level, kind) for level, kind, path in flags(rows) if path.startswith(where)}
    assert said == {f"{where}#gone.lab.test": ("red", "stranger")}
    assert ("red", "missing", f"{where}#{name}") in flags(audited(Scan(host, complete=True)))


def test_every_server_leaf_has_an_endpoint() -> None:
    """Each port that presents a leaf, the authority's and one for each route are asked, each on its own host."""
    app = Expected(ESTATE, PLACES).endpoints("app")
    assert [(each.name, each.address, each.server_name) for each in app] == [("door", "10.0.0.20:9001", LEAF.dns[0])]
    assert [each.name for each in Expected(ESTATE, PLACES).endpoints("ca")] == ["authority"]


ROWS = audited(scan(certificates=[GOOD, *ANCHORS, STRANGE, DEAD]))


def test_json() -> None:
    """JSON has every row with all that is known of it."""
    rows = json.loads(as_json(ROWS))
    assert [row["path"] for row in rows] == [row.path for row in ROWS]
    leaf = next(row for row in rows if row["path"] == LEAF.certificate)
    assert (leaf["status"], leaf["key"], leaf["issuer"], leaf["days_left"]) == ("good", "EC P-256", "middle", 1.0)
    assert leaf["names"] == sorted(LEAF.dns) + sorted(LEAF.ips)


def test_csv() -> None:
    """CSV has the same rows with the same columns."""
    rows = list(csv.DictReader(StringIO(as_csv(ROWS))))
    assert [row["path"] for row in rows] == [row.path for row in ROWS]
    assert rows[0].keys() == json.loads(as_json(ROWS))[0].keys()
    assert rows[0]["flags"].startswith("expired: ")


def test_table(tmp_path: Path) -> None:
    """The table fits 120 columns, and begins with what must be seen to."""
    write_report(ROWS, "table", tmp_path / "table")
    lines = (tmp_path / "table").read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[0] == "✗ app /srv/dead.crt"
    assert lines[-1] == "6 rows on 1 host: 2 red, 0 yellow"
