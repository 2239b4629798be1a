"""The state of Portainer's stand-in below /data: administrator, environments and their TLS files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from phoenix.lab.standins.web import Refusal

if TYPE_CHECKING:
    from pathlib import Path

MIN_PASSWORD_LENGTH = 12  # Portainer's own minimum
SESSION = 8 * 3600  # seconds
FILES = {"TLSCACertFile": "ca", "TLSCertFile": "cert", "TLSKeyFile": "key"}
KEPT = ("Name", "URL", "PublicURL", "TLS", "TLSSkipVerify", "TLSSkipClientVerify")


def parse_bool(value: Any) -> bool:
    """Return a form's boolean."""
    return str(value).lower() in ("true", "1", "yes")


def _scramble(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**12, r=8, p=1).hex()


class PortainerStore:
    """Stores one JSON file, and a directory of TLS files for each environment."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._file, self._lock = directory, directory / "portainer.json", threading.RLock()
        directory.mkdir(parents=True, exist_ok=True)
        empty = {"instance": secrets.token_hex(16), "secret": secrets.token_hex(32), "admin": None, "next": 1}
        self._data: dict[str, Any] = {**empty, "environments": {}}
        if self._file.exists():
            self._data = json.loads(self._file.read_text())
        self._save()

    @property
    def instance(self) -> str:
        """The installation's instance id."""
        return str(self._data["instance"])

    @property
    def has_admin(self) -> bool:
        """Whether the administrator exists."""
        return self._data["admin"] is not None

    def set_admin(self, name: str, password: str) -> None:
        """Create the administrator; raise Refusal if the password is too short."""
        if not name or len(password) < MIN_PASSWORD_LENGTH:
            raise Refusal(400, "Password does not meet the requirements", "Password too short")
        salt = secrets.token_hex(16)
        self._data["admin"] = {"name": name, "salt": salt, "hash": _scramble(password, salt)}
        self._save()

    def check_admin(self, name: str, password: str) -> bool:
        """Whether these are the administrator's name and password."""
        admin = self._data["admin"]
        if admin is None or name != admin["name"]:
            return False
        return hmac.compare_digest(_scramble(password, admin["salt"]), admin["hash"])

    def new_session(self, name: str) -> str:
        """Return a signed token (JWT, HS256) with a user name and an expiry time."""
        head = self._encode({"alg": "HS256", "typ": "JWT"})
        body = self._encode({"username": name, "exp": int(time.time()) + SESSION})
        return f"{head}.{body}.{self._sign(f'{head}.{body}')}"

    def session(self, token: str) -> bool:
        """Whether a token's signature is valid and the token has not expired."""
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(self._sign(signed), signature):
            return False
        body = signed.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"]) > time.time()

    def tags(self) -> list[dict[str, Any]]:
        """Return all tags, each with its environments, in the order of Portainer's fields."""
        return [
            {
                "ID": number,
                "Name": name,
                "Endpoints": {str(e["Id"]): True for e in self.environments() if number in e.get("TagIds", ())},
                "EndpointGroups": {},
            }
            for number, name in enumerate(self._data.setdefault("tags", []), 1)
        ]

    def create_tag(self, name: str) -> dict[str, Any]:
        """Add a tag and return it; raise Refusal if it has no name or exists."""
        with self._lock:
            names = self._data.setdefault("tags", [])
            if not name or name in names:
                raise Refusal(409 if name else 400, "Unable to create tag", "This name is already associated to a tag")
            names.append(name)
            self._save()
            return self.tags()[-1]

    def environments(self) -> list[dict[str, Any]]:
        """Return all environments."""
        return [dict(environment) for environment in self._data["environments"].values()]

    def environment(self, number: int) -> dict[str, Any] | None:
        """Return an environment by its number, or None."""
        environment: dict[str, Any] | None = self._data["environments"].get(str(number))
        return environment

    def create(self, form: dict[str, str]) -> dict[str, Any]:
        """Add an environment and return it."""
        with self._lock:
            number = self._data["next"]
            self._data["next"] += 1
            tags = json.loads(form.get("TagIds") or "[]")
            environment = {"Id": number, "Type": 2, "Status": 1, "GroupId": 1, "TagIds": tags, "files": []}
            self._data["environments"][str(number)] = environment
            self.update(number, form)
            return dict(environment)

    def update(self, number: int, form: dict[str, str]) -> None:
        """Change the fields that the form contains."""
        with self._lock:
            self._data["environments"][str(number)].update({key: form[key] for key in KEPT if key in form})
            for field, kind in FILES.items():
                if form.get(field):
                    self.write_file(str(number), kind, form[field])
            self._save()

    def delete(self, number: int) -> None:
        """Delete an environment and its TLS files."""
        with self._lock:
            self._data["environments"].pop(str(number), None)
            shutil.rmtree(self._directory / "tls" / str(number), ignore_errors=True)
            self._save()

    def files(self, number: int) -> dict[str, Path]:
        """Return the TLS files of an environment, by kind."""
        directory = self._directory / "tls" / str(number)
        return {kind: directory / f"{kind}.pem" for kind in FILES.values() if (directory / f"{kind}.pem").exists()}

    def write_file(self, folder: str, kind: str, content: str) -> None:
        """Write a TLS file of an environment; raise Refusal if the folder is not an environment's number."""
        if not folder.isdigit() or folder not in self._data["environments"]:
            raise Refusal(400, "Invalid request payload", "folder must be an environment's number")
        directory = self._directory / "tls" / folder
        directory.mkdir(parents=True, exist_ok=True)
        self._write(directory / f"{kind}.pem", content)
        self._data["environments"][folder]["files"] = sorted(self.files(int(folder)))
        self._save()

    def _save(self) -> None:
        with self._lock:
            self._write(self._file, json.dumps(self._data))

    @staticmethod
    def _write(path: Path, content: str) -> None:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(content)
        draft.replace(path)

    @staticmethod
    def _encode(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    def _sign(self, text: str) -> str:
        mac = hmac.digest(self._data["secret"].encode(), text.encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
