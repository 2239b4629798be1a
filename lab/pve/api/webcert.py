"""The web server's certificate endpoints: replace the lab's own certificate by a custom one while the server runs."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

from phoenix.lab.pve.command import CommandError, run
from phoenix.lab.pve.fake import PveError
from phoenix.lab.pve.model.base import PveModel

LOCAL = Path("/etc/pve/local")
CHAIN, KEY = "pveproxy-ssl.pem", "pveproxy-ssl.key"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n?", re.DOTALL)


class WebCertificateEndpoints(PveModel):
    """The endpoints below ``certificates``; a new certificate applies to new connections, open ones continue."""

    fingerprint: str
    local: Path = LOCAL
    own: tuple[str, str]
    presented: ssl.SSLContext

    def _routes_certificates(self) -> list[tuple[str, str, Any]]:
        certificates = "/nodes/{node}/certificates"
        return [
            ("GET", f"{certificates}/info", self._certificates_info),
            ("POST", f"{certificates}/custom", self._certificate_set),
            ("DELETE", f"{certificates}/custom", self._certificate_delete),
        ]

    async def start(self, certfile: str, keyfile: str) -> None:
        """Listen, and present the custom certificate if there is one."""
        self.own = (certfile, keyfile)
        self.present()
        await super().start(certfile, keyfile)
        for site in self.runner.sites:
            site._ssl_context.sni_callback = self._choose  # noqa: SLF001 - the only way to change the certificate

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self.presented

    def present(self) -> None:
        """Load the certificate on disk for new connections."""
        custom = (self.local / CHAIN, self.local / KEY)
        pair = tuple(map(str, custom)) if custom[0].is_file() else self.own
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
        self.presented = context
        self.fingerprint = _describe(Path(pair[0]))["fingerprint"]

    async def _certificates_info(self, _values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        custom = self.local / CHAIN
        files = [Path(self.own[0]), *([custom] if custom.is_file() else [])]
        return [await asyncio.to_thread(_describe, file) for file in files]

    async def _certificate_set(self, values: dict[str, Any], _user: str) -> dict[str, Any]:
        chain, key = self.local / CHAIN, self.local / KEY
        if chain.is_file() and not values.get("force"):
            raise PveError(400, "Parameter verification failed.", {"certificates": "custom certificate file exists"})
        if not values.get("key") and not key.is_file():
            raise PveError(400, "Parameter verification failed.", {"key": "no key given and none there"})
        await asyncio.to_thread(self._replace, values["certificates"], values.get("key") or key.read_text())
        if values.get("restart"):
            self.present()
        return await asyncio.to_thread(_describe, chain)

    async def _certificate_delete(self, values: dict[str, Any], _user: str) -> None:
        for name in (CHAIN, KEY):
            (self.local / name).unlink(missing_ok=True)
        if values.get("restart"):
            self.present()

    def _replace(self, chain: str, key: str) -> None:
        """Write chain and key if they match; raise PveError if they do not."""
        self.local.mkdir(parents=True, exist_ok=True)
        drafts = [self.local / f".{name}.new" for name in (CHAIN, KEY)]
        try:
            for draft, text in zip(drafts, (chain, key), strict=True):
                draft.unlink(missing_ok=True)
                draft.touch(mode=0o640)
                draft.write_text(text)
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(drafts[0], drafts[1])
            for draft, name in zip(drafts, (CHAIN, KEY), strict=True):
                draft.replace(self.local / name)
        except (ssl.SSLError, OSError) as error:
            raise PveError(400, "Parameter verification failed.", {"certificates": f"not usable: {error}"}) from None
        finally:
            for draft in drafts:
                draft.unlink(missing_ok=True)


def _describe(file: Path) -> dict[str, Any]:
    """Return a certificate's fields in the API's format."""
    command = ["openssl", "x509", "-in", str(file), "-noout", "-subject", "-issuer", "-dates"]
    try:
        done = run(*command, "-fingerprint", "-sha256", "-ext", "subjectAltName", "-nameopt", "RFC2253", limit=10)
    except CommandError as error:
        raise PveError(500, f"{file}: {error}") from None
    text = done.out.decode()
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    names = re.findall(r"(?:DNS|IP Address):([^,\s]+)", text)
    first = _PEM.search(file.read_text())
    return {
        "filename": file.name,
        "fingerprint": next(value for key, value in fields.items() if key.lower().startswith("sha256")),
        "subject": fields["subject"],
        "issuer": fields["issuer"],
        "notbefore": int(ssl.cert_time_to_seconds(fields["notBefore"])),
        "notafter": int(ssl.cert_time_to_seconds(fields["notAfter"])),
        "san": names,
        "pem": first[0] if first else "",
    }
