"""The scan of a host, run on sample files: what it reports, what it hides, and that it changes no file."""

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

from phoenix.pki.audit.parse import read_scan
from phoenix.pki.audit.scan import Scan
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
    """The output of the scan, parsed and raw."""
    done = subprocess.run(["sh", "-s"], input=script(root), capture_output=True, text=True, check=True, timeout=30)
    return read_scan("app", done.stdout), done.stdout


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with every kind of file that the scan knows."""
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
def scan_of_samples(samples: Path) -> tuple[Scan, str]:
    """One scan of that directory."""
    return scanned(samples)


def test_certificates(samples: Path, scan_of_samples: tuple[Scan, str]) -> None:
    """PEM is found by content, with chains in order; DER by file name; Traefik's certificates by their names."""
    scan, _ = scan_of_samples
    found = {str(each.location).removeprefix(f"{samples}/"): each.pem for each in scan.certificates}
    assert found == {
        "tls/chain.pem": pem([LEAF, ROOT]),
        "tls/odd name, with | and ü.conf": pem([ROOT]),
        "both.pem": pem([LEAF]),
        "leaf.der": pem([LEAF]),
        "acme.json#web.lab.test": pem([LEAF, ROOT]),
    }
    assert scan.complete


def test_keys(samples: Path, scan_of_samples: tuple[Scan, str]) -> None:
    """A key is reported with its state, the sum of its public half and its type; Traefik's keys are only named."""
    scan, _ = scan_of_samples
    found = {str(key.location).removeprefix(f"{samples}/"): (key.state, key.public, key.kind) for key in scan.keys}

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
    assert next(key.location.mode for key in scan.keys if key.location.path.endswith("rsa.key")) == "0604"


def test_stores_and_unreadable_files(samples: Path, scan_of_samples: tuple[Scan, str]) -> None:
    """Unopened stores are named, large stores counted, and a file name with a line break is reported as unreadable."""
    scan, _ = scan_of_samples
    assert {(store.location.path, store.certificates) for store in scan.stores} == {
        (f"{samples}/store.p12", None),
        (f"{samples}/store.crt", 4),
    }
    assert [place.path for place in scan.unreadable] == [f"{samples}/line?break.pem"]


def test_no_private_key_is_printed(scan_of_samples: tuple[Scan, str]) -> None:
    """No part of a private key is printed, neither as in its file nor encoded once more."""
    _, printed = scan_of_samples
    for key in (EC, RSA):
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            der = key.private_bytes(Encoding.DER, form, NoEncryption())
            secret = b64encode(der).decode()
            assert not any(secret[start : start + 24] in printed for start in range(0, len(secret) - 24, 4))
        assert b64encode(private(key).encode()).decode()[40:80] not in printed
    assert "PRIVATE KEY" not in printed


def test_no_file_is_changed(samples: Path) -> None:
    """Files keep size, mode and times; no file is added, and no temporary file is left."""

    def state() -> list[tuple[str, int, int, int]]:
        files = sorted(samples.rglob("*"))
        return [(str(path), (stat := path.lstat()).st_mode, stat.st_mtime_ns, stat.st_size) for path in files]

    before, temporary = state(), set(Path("/dev/shm").iterdir())
    scanned(samples)
    assert state() == before
    assert set(Path("/dev/shm").iterdir()) <= temporary


def test_an_interrupted_scan_is_not_complete(scan_of_samples: tuple[Scan, str]) -> None:
    """The output of an interrupted scan is used, and marked as incomplete."""
    _, printed = scan_of_samples
    scan = read_scan("app", "".join(printed.splitlines(keepends=True)[:4]))
    assert (scan.complete, len(scan.certificates) + len(scan.keys) > 0) == (False, True)


def test_states_of_units_and_ports() -> None:
    """States of units, certificates of ports and readers of files are reported beside the files."""
    ports = "@served|AQI=|web\n@served||door\n@silent|gate\n"
    scan = read_scan("app", f"@unit|failed|exit-code|a.service\n{ports}@reader|/etc/a.conf|/tls/b.pem\n@end\n")
    assert scan.units == {"a.service": ("failed", "exit-code")}
    assert (scan.served, scan.readers) == ({"web": b"\1\2", "door": b""}, {"/tls/b.pem": ["/etc/a.conf"]})
    assert scan.silent == {"gate"}
