"""X.509 (RFC 5280) without any policy of the estate: fields, chains, validity, and OpenSSL's subject hash."""
