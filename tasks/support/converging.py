"""What every task of this folder uses: resources to a Nornir result, and templates to text."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nornir.core.task import Result, Task

from phoenix.converge import Change, HostSession, Observation, Probe, Program, Resource, Upload

if TYPE_CHECKING:
    from jinja2 import Environment

    from phoenix.artifacts.store import Artifact

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
ANCHOR_FILE = "/usr/local/share/ca-certificates/phoenix_ca.crt"
"""The estate's first anchor in the system store of every host that trusts it."""
BUNDLE_FILE = "/etc/phoenix/phoenix_ca_bundle.crt"
"""All anchors of the estate, on every host that trusts them: what programs that verify read."""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one Jinja2 environment: an undefined name is an error, never an empty string."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 0.05 s for who renders

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # configuration files and shell, not HTML
    )
    made.filters |= {"quote": shlex.quote, "unit_word": unit_word}
    return made


def unit_word(text: str) -> str:
    """Quote one word of a command line in a systemd unit (systemd.service(5), "Command lines")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def render(task: Task, template: str, **values: Any) -> str:
    """Render a template for a host."""
    from nornir_jinja2.plugins.tasks import template_file  # noqa: PLC0415 - the same

    rendered = template_file(task, template=template, jinja_env=environment(), **values)
    return str(rendered.result)


def written(template: str, **values: Any) -> str:
    """Render a template that is the same for every host."""
    return environment().get_template(template).render(**values)


def session(task: Task) -> HostSession:
    """The session of the task's host."""
    connection = task.host.get_connection("phoenix_host", task.nornir.config)
    assert isinstance(connection, HostSession)  # noqa: S101  # what our own plugin hands out
    return connection


def converge(task: Task, *resources: Resource, dry_run: bool | None = None) -> Result:
    """Observe, compare, and unless this is a dry run make the changes."""
    host = session(task)
    seen = host.observe(resources)
    changes = [change for resource in resources for change in resource.changes(seen)]
    if changes and not task.is_dry_run(dry_run) and not host.made(changes):
        host.apply(changes)
    return result(task, [change for change in changes if not change.guard])


def result(task: Task, changes: list[Change], notes: tuple[str, ...] = ()) -> Result:
    """The Nornir result of changes: a diff that a person wants to read, the changes themselves, and what to know."""
    diff = "\n".join(change.diff or str(change) for change in changes)
    return Result(host=task.host, changed=bool(changes), diff=diff, changes=tuple(changes), notes=notes)


@dataclass(frozen=True)
class Unobtained:
    """A program that a dry run cannot compare, because the controller has not obtained it yet."""

    name: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask nothing."""
        return ()

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Say that it would be obtained and pushed."""
        return (Change(f"program {self.name}", "install", "not obtained yet"),)


def program(name: str, artifact: Artifact | None) -> Resource:
    """A pinned program in /usr/local/bin; the time of its file is made from its checksum, and tells contents apart."""
    if artifact is None:
        return Unobtained(name)
    mtime = int(artifact.sha256[:7], 16)
    upload = Upload(artifact.packed, f"/usr/local/bin/{artifact.name}", "0755", mtime)
    return Program(artifact.name, artifact.version, artifact.size, upload)
