"""A lab with forty containers that must trust the CA: its inventory, its deployment, and scripts in its machines."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ROOT, BenchmarkError
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.places import LabPlaces

PYTHON = sys.executable
LAB = "/var/lib/phoenix-lab-bench"
CORE = ("pve", "step-ca", "nginx-gateway", "traefik", "copy-base")
FORTY = 40
PLAIN = """\
plain-{number:02}:
  hostname: 10.0.0.{address}
  groups: [lxc, trusted_ca]
  data: {{vmid: {vmid}, clone_of: copy-base, depends_on: [step-ca], services: {{{ssh}}}}}
"""
SSH = "ssh-{vmid}: {{port: 22, scheme: tcp, clients: [pve]}}"
CLEAN = """
[ -d /root/clean ] || { rm -f /usr/local/share/ca-certificates/phoenix_ca.crt; update-ca-certificates --fresh
  rm -rf /root/clean; cp -a /etc/ssl/certs /root/clean; }
rm -rf /etc/phoenix /usr/local/share/ca-certificates/*
entries() { cd $1 && find . -mindepth 1 -printf '%f %y %s %m %l\\n' | sort; }
entries /root/clean >/run/clean
entries /etc/ssl/certs >/run/pushed
cd /etc/ssl/certs
comm -13 /run/clean /run/pushed | cut -d' ' -f1 | xargs -r rm
comm -23 /run/clean /run/pushed | cut -d' ' -f1 | while read -r name; do cp -a "/root/clean/$name" .; done
cp /root/clean/ca-certificates.crt .
"""
TRUSTS = """
set -e
openssl verify -CApath /etc/ssl/certs -no-CAfile /root/root.crt
openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt -no-CApath /root/root.crt
"""
ENABLE_SSH = """
mkdir -p /root/.ssh && cat /root/key.pub >/root/.ssh/authorized_keys && chmod 700 /root/.ssh
ssh-keygen -A && systemctl start ssh
"""


@dataclass(frozen=True)
class Forty:
    """The lab; `folder` holds the benchmark's files."""

    folder: Path

    @property
    def inventory(self) -> Path:
        """The lab's inventory."""
        return self.folder / "inventory"

    @property
    def root(self) -> Path:
        """The copy of the CA's root on this machine."""
        return self.folder / "root.crt"

    @property
    def key(self) -> Path:
        """The SSH key for the other tools."""
        return self.folder / "key"

    @property
    def targets(self) -> dict[str, int]:
        """VM id by address of each container that must trust the CA."""
        plain = {f"10.0.0.{200 + n}": 200 + n for n in range(FORTY - 2)}
        return {"10.0.0.153": 101, "10.0.0.12": 102, **plain}

    def write_inventory(self) -> None:
        """Write an inventory with the example's CA, edge and mesh, and with plain containers."""
        shutil.copytree(ROOT / "inventory", self.inventory)
        text = (self.inventory / "hosts.yaml").read_text()
        entries = dict(re.findall(r"^([a-z0-9-]+):(\n(?:  .*\n|\n|#.*\n)*)", text, re.MULTILINE))
        hosts = "".join(f"{name}:{entries[name]}" for name in CORE)
        for name, vmid in (("nginx", 101), ("traefik", 102)):
            hosts = hosts.replace(f"      {name}: {{", f"      {SSH.format(vmid=vmid)}\n      {name}: {{")
        for number in range(FORTY - 2):
            vmid = 200 + number
            hosts += PLAIN.format(number=number, address=vmid, vmid=vmid, ssh=SSH.format(vmid=vmid))
        (self.inventory / "hosts.yaml").write_text(hosts)

    def start(self) -> None:
        """Deploy the forty containers and enable SSH for the other tools."""
        self.write_inventory()
        self._runbook("lab.py", "up")
        self._runbook("deploy.py", "--lab", "--inventory", str(self.inventory))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        folder = "/mnt/pve/quickOS/lxc-persistent-data/103/ssl"
        self.root.write_text(self.in_node(f"cat {folder}/phoenix_ca.crt"))
        self.everywhere(ENABLE_SSH, f"{self.key}.pub", "/root/key.pub")
        self.everywhere("true", str(self.root), "/root/root.crt")

    def stop(self) -> None:
        """Bring the lab down."""
        self._runbook("lab.py", "down")

    def forget(self) -> None:
        """Remove the root from every store, so that the next push is a first one."""
        self.everywhere(CLEAN)
        self.in_node("sync")  # keep these writes out of the next measurement

    def verify(self) -> None:
        """Check that all forty stores accept the root, by directory and by bundle; raise BenchmarkError if not."""
        self.everywhere(TRUSTS)

    def everywhere(self, script: str, source: str = "/dev/null", path: str = "/dev/null") -> None:
        """Copy a file to each of the forty containers and run a script there, eight at a time."""
        data = Path(source).read_text() if source != "/dev/null" else ""
        vmids = " ".join(map(str, self.targets.values()))
        inner = shlex.quote(f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n{script}")
        copy = f"printf %s {shlex.quote(data)} | lxc-attach -n $1 -- tee {path} >/dev/null"
        one = f"{copy}; lxc-attach -n $1 -- sh -c {inner} >/dev/null 2>&1 </dev/null || echo $1"
        failed = self.in_node(f"printf '%s\\n' {vmids} | xargs -P8 -n1 sh -c {shlex.quote(one)} sh")
        if failed.strip():
            raise BenchmarkError(f"the script failed in {failed.split()}")

    def in_node(self, script: str) -> str:
        """Run a script in the lab's hypervisor; return its output."""
        command = [PYTHON, "runbooks/lab.py", "exec", "pve", "--", "sh", "-c", script]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout

    def network(self) -> tuple[str, ...]:
        """Return the prefix of a command that runs on this machine in the hypervisor's network namespace."""
        return ("nsenter", f"--target={OuterContainer(LabPlaces.of_environment()).pid}", "--net", "--")

    def _runbook(self, name: str, *arguments: str) -> None:
        done = subprocess.run([PYTHON, f"runbooks/{name}", *arguments], cwd=ROOT, check=False, capture_output=True)
        if done.returncode:
            raise BenchmarkError(f"{name} ended with {done.returncode}: {(done.stdout + done.stderr).decode()[-2000:]}")


def use_own_lab() -> None:
    """Use the benchmark's own lab, not the operator's."""
    os.environ["PHOENIX_LAB"] = LAB
