"""Trust: the estate's root in the system store of every host of `trusted_ca`, and in what reads the store once."""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.converge import Change, Directory, File, Observation, Probe, Resource
from phoenix.pki.authority import Bundle
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.converging import ANCHOR_FILE, BUNDLE_FILE, converge

STORE = "/etc/ssl/certs"
BUNDLE = f"{STORE}/ca-certificates.crt"
LINK = f"{STORE}/phoenix_ca.pem"

# Does for one new root what update-ca-certificates(8) does for all 140, and leaves the same store; where the store is
# not as expected, or held another root of ours, the distribution's own tool does it.
ADD = f"""
hash=$(openssl x509 -noout -subject_hash -in {ANCHOR_FILE}) || exit 1
absent() {{ [ ! -e "$1" ] && [ ! -L "$1" ]; }}
if [ -s {BUNDLE} ] && absent {LINK} && absent {STORE}/$hash.0 && ! grep -qxF "$(sed -n 3p {ANCHOR_FILE})" {BUNDLE}; then
  ln -s {ANCHOR_FILE} {LINK} && ln -s phoenix_ca.pem {STORE}/$hash.0 || exit 1
  cat {BUNDLE} {ANCHOR_FILE} >{BUNDLE}.new && chmod 644 {BUNDLE}.new && mv -f {BUNDLE}.new {BUNDLE} || exit 1
  for hook in /etc/ca-certificates/update.d/*; do [ ! -x "$hook" ] || printf '+%s\\n' {LINK} | "$hook" || exit 1; done
else
  timeout 120 update-ca-certificates --fresh
fi
"""
TRUSTED = f'[ "$(readlink {LINK})" = {ANCHOR_FILE} ] && grep -qxF "$(sed -n 3p {ANCHOR_FILE})" {BUNDLE} && echo trusted'
RESTART_DOCKER = "if systemctl is-active --quiet docker; then systemctl restart docker; fi"


class SystemTrust:
    """The root's file and its place in the system store."""

    def __init__(self, bundle: Bundle) -> None:
        self.file = File(ANCHOR_FILE, bundle.anchors[0])

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the file and for the store."""
        return (*self.file.probes(), Probe("command", "trust", TRUSTED))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write the root, enter it into the store, and restart Docker, which reads the store only when it starts."""
        written = self.file.changes(seen)
        if not written and seen.outputs.get("trust", "").strip() == "trusted":
            return ()
        return (
            *written,
            Change(f"trust store {STORE}", "update", "the estate's root is not in it", script=f"({ADD})"),
            Change("docker", "restart", script=RESTART_DOCKER, guard=True),
        )


def push_trust(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Make the host trust the estate's authority."""
    if run.authority is None and not task.is_dry_run(dry_run):
        raise TaskFailedError("the estate's root is not known: deploy the authority first")
    return converge(task, *trust_resources(run), dry_run=dry_run)


def trust_resources(run: Run) -> tuple[Resource, ...]:
    """What trust needs on a host; nothing can be said before there is a root."""
    if run.authority is None:
        return ()
    bundle = run.authority.bundle
    return (Directory("/etc/phoenix"), SystemTrust(bundle), File(BUNDLE_FILE, bundle.pem))
