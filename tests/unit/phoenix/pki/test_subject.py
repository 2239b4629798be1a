"""The hash of a subject, beside OpenSSL's own."""

from __future__ import annotations

import subprocess

import pytest

from phoenix.pki.subject import subject_hash

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
    """Blanks, capitals, other letters, several parts at once and long names give what OpenSSL gives."""
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-utf8"]
    make = ["openssl", "req", "-x509", *options, "-multivalue-rdn", "-subj", subject]
    pem = subprocess.run(make, check=True, capture_output=True, text=True, timeout=20).stdout
    said = ["openssl", "x509", "-noout", "-subject_hash"]
    hashed = subprocess.run(said, input=pem, check=True, capture_output=True, text=True, timeout=20).stdout
    assert subject_hash(pem) == hashed.strip()
