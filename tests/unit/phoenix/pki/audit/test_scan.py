"""The scan of a host, run on planted files: what it tells, what it does not, and that it changes nothing."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from phoenix.pki.audit.scan import Scan, read_scan
from phoenix.templating import shell_program
from tests.unit.phoenix.pki.chains import make, pem

ROOT = make("root", "root", depth=1)
LEAF = make("leaf", "root", names=["web.lab.test"])
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
SSH = ed25519.Ed25519PrivateKey.generate()


def private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> str:
    """A private key as PEM."""
    hidden = serialization.BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode()


def script(root: Path) -> str:
    """The scan of one directory."""
    values = {"roots": str(root), "skipped": f"{root}/skipped", "xdev": "", "units": "", "endpoints": ""}
    return shell_program("audit/scan.sh", store_size=3, **values)


def scanned(root: Path) -> tuple[Scan, str]:
    """What the scan told, read and as it was printed."""
    done = subprocess.run(["sh", "-s"], input=script(root), capture_output=True, text=True, check=True, timeout=30)
    return read_scan("app", done.stdout), done.stdout


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with everything that the scan knows."""
    tmp_path = tmp_path_factory.mktemp("host")
    texts = {
        "tls/chain.pem": pem([LEAF, ROOT]),
        "tls/odd name, with | and ü.conf": f"# a comment\n{pem([ROOT])}",
        "both.pem": private(EC) + pem([LEAF]),
        "rsa.key": private(RSA),
        "locked.key": private(EC, b"secret"),
        "broken.key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "two.keys": private(EC) + private(RSA),
        "store.crt": pem([ROOT] * 4),
        "prose.md": "Put -----BEGIN CERTIFICATE----- before it.\n",
        "skipped/leaf.pem": pem([LEAF]),
        "node/overlay2/leaf.pem": pem([LEAF]),
        "store.p12": "anything",
        "line\nbreak.pem": pem([LEAF]),
        "acme.json": json.dumps(
            {
                "authority": {
                    "Account": {"PrivateKey": b64encode(b"account").decode()},
                    "Certificates": [
                        {
                            "domain": {"main": "web.lab.test"},
                            "certificate": b64encode(pem([LEAF, ROOT]).encode()).decode(),
                            "key": b64encode(private(EC).encode()).decode(),
                        }
                    ],
                }
            },
            indent=2,
        ),
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "leaf.der").write_bytes(LEAF.public_bytes(Encoding.DER))
    (tmp_path / "ssh").write_bytes(SSH.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    (tmp_path / "rsa.key").chmod(0o604)
    return tmp_path


@pytest.fixture(scope="module")
def told(planted: Path) -> tuple[Scan, str]:
    """One scan of it."""
    return scanned(planted)


def test_certificates(planted: Path, told: tuple[Scan, str]) -> None:
    """Certificates are found by what is in a file, whole chains in their order, DER by its name, Traefik's by name."""
    scan, _ = told
    found = {str(each.place).removeprefix(f"{planted}/"): each.pem for each in scan.certificates}
    assert found == {
        "tls/chain.pem": pem([LEAF, ROOT]),
        "tls/odd name, with | and ü.conf": pem([ROOT]),
        "both.pem": pem([LEAF]),
        "leaf.der": pem([LEAF]),
        "acme.json#web.lab.test": pem([LEAF, ROOT]),
    }
    assert scan.complete


def test_keys(planted: Path, told: tuple[Scan, str]) -> None:
    """Of a key are told its state, the sum of its public half and its kind; Traefik's are only named."""
    scan, _ = told
    found = {str(key.place).removeprefix(f"{planted}/"): (key.state, key.public, key.kind) for key in scan.keys}

    def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
        return sha256(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    assert found.pop("ssh")[::2] == ("plain", "SSH ED25519 256")
    assert found == {
        "both.pem": ("plain", public(EC), "EC P-256"),
        "rsa.key": ("plain", public(RSA), "RSA 2048"),
        "locked.key": ("encrypted", None, "-"),
        "broken.key": ("broken", None, "-"),
        "two.keys": ("plain", public(EC), "EC P-256"),
        "two.keys#key 2": ("plain", public(RSA), "RSA 2048"),
        "acme.json#account": ("held", None, "-"),
        "acme.json#web.lab.test": ("held", None, "-"),
    }
    assert next(key.place.mode for key in scan.keys if key.place.path.endswith("rsa.key")) == "0604"


def test_stores_and_the_unreadable(planted: Path, told: tuple[Scan, str]) -> None:
    """What is not opened is named, what holds many anchors is counted, and a name with a line break hides nothing."""
    scan, _ = told
    assert {(store.place.path, store.certificates) for store in scan.stores} == {
        (f"{planted}/store.p12", None),
        (f"{planted}/store.crt", 4),
    }
    assert [place.path for place in scan.unreadable] == [f"{planted}/line?break.pem"]


def test_no_private_key_is_told(told: tuple[Scan, str]) -> None:
    """Nothing of a private key is printed, neither as it stands in its file nor encoded once more."""
    _, printed = told
    for key in (EC, RSA):
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            der = key.private_bytes(Encoding.DER, form, NoEncryption())
            secret = b64encode(der).decode()
            assert not any(secret[start : start + 24] in printed for start in range(0, len(secret) - 24, 4))
        assert b64encode(private(key).encode()).decode()[40:80] not in printed
    assert "PRIVATE KEY" not in printed


def test_nothing_is_changed(planted: Path) -> None:
    """Files keep content, mode and times, and no file is added, nor left in the place for temporary ones."""

    def state() -> list[tuple[str, int, int, int]]:
        files = sorted(planted.rglob("*"))
        return [(str(path), (stat := path.lstat()).st_mode, stat.st_mtime_ns, stat.st_size) for path in files]

    before, temporary = state(), set(Path("/dev/shm").iterdir())
    scanned(planted)
    assert state() == before
    assert set(Path("/dev/shm").iterdir()) <= temporary


def test_an_interrupted_scan_is_not_complete(told: tuple[Scan, str]) -> None:
    """What a scan told before it was ended is used, and that it was not all is known."""
    _, printed = told
    scan = read_scan("app", "".join(printed.splitlines(keepends=True)[:4]))
    assert (scan.complete, len(scan.certificates) + len(scan.keys) > 0) == (False, True)


def test_states_of_units_and_ports() -> None:
    """States of units, answers of ports and readers of files are told beside the files."""
    told = "@unit|failed|exit-code|a.service\n@served|AQI=|web\n@served||door\n@reader|/etc/a.conf|/tls/b.pem\n@end\n"
    scan = read_scan("app", told)
    assert scan.units == {"a.service": ("failed", "exit-code")}
    assert (scan.served, scan.readers) == ({"web": b"\1\2", "door": b""}, {"/tls/b.pem": ["/etc/a.conf"]})
