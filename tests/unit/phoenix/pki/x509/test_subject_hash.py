"""The subject hash equals OpenSSL's."""

from __future__ import annotations

import subprocess

import pytest

from phoenix.pki.x509.subject_hash import subject_hash

SUBJECTS = [
    "/CN=Lab Root",
    "/C=DE/O=A  B/OU=x/CN= Two  Words ",
    "/CN=Ä ÖÜ",
    "/O=One+OU=Two/CN=multi",
    "/DC=lab/CN=" + "x" * 60,
    "/O=" + "Ä" * 64 + "/OU=" + "a" * 64 + "+CN=" + "b" * 64,
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_hash_is_that_of_openssl(subject: str) -> None:
    """Blanks, capitals, non-ASCII letters, multi-valued RDNs and long names give OpenSSL's hash."""
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-utf8"]
    make = ["openssl", "req", "-x509", *options, "-multivalue-rdn", "-subj", subject]
    pem = subprocess.run(make, check=True, capture_output=True, text=True, timeout=20).stdout
    ask = ["openssl", "x509", "-noout", "-subject_hash"]
    hashed = subprocess.run(ask, input=pem, check=True, capture_output=True, text=True, timeout=20).stdout
    assert subject_hash(pem) == hashed.strip()
