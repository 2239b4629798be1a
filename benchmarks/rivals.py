"""The same job with other tools: add the root to forty stores, with the fastest documented settings of each tool."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.forty import FORTY, Forty
from phoenix.lab.places import LabPlaces

TOOLS = ("pyinfra==3.10.0", "ansible-core==2.19.14")
ANCHOR = "/usr/local/share/ca-certificates/phoenix_ca.crt"
OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
PYINFRA = """\
from pyinfra.operations import files, server

put = files.put(src="{root}", dest="{anchor}", mode="644")
server.shell(commands=["update-ca-certificates"], _if=put.did_change)
"""
PYINFRA_HOSTS = """\
data = {{"ssh_user": "root", "ssh_key": "{key}", "ssh_strict_host_key_checking": "no"}}
hosts = ([(name, data) for name in {names}], {{}})
"""
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {{src: "{root}", dest: "{anchor}", mode: "0644"}}
      register: put
    - ansible.builtin.command: update-ca-certificates
      when: put is changed
"""
ANSIBLE = """\
[defaults]
forks = {forks}
host_key_checking = False
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s {options}
control_path_dir = {folder}/cp
"""
SHELL = """\
new=$(cat; echo .)
new=${{new%.}}
if [ "$(cat {anchor} 2>/dev/null; echo .)" != "$new." ]; then printf %s "$new" >{anchor} && update-ca-certificates; fi
"""


def prepare(forty: Forty) -> dict[str, tuple[str, ...]]:
    """Install the tools in their own environment and write their files; return their commands by tool."""
    tools, folder, names = _installed(), forty.folder, list(forty.targets)
    values = {"root": forty.root, "anchor": ANCHOR, "key": forty.key, "names": names}
    (folder / "deploy.py").write_text(PYINFRA.format(**values))
    (folder / "hosts.py").write_text(PYINFRA_HOSTS.format(**values))
    (folder / "play.yml").write_text(PLAYBOOK.format(**values))
    (folder / "ansible.cfg").write_text(ANSIBLE.format(forks=FORTY, options=OPTIONS, folder=folder))
    hosts = "".join(f"{name} ansible_user=root ansible_ssh_private_key_file={forty.key}\n" for name in names)
    (folder / "hosts.ini").write_text(hosts)
    (folder / "names").write_text("\n".join(names) + "\n")
    ssh = f"ssh -i {forty.key} {OPTIONS} root@$1 {shlex.quote(SHELL.format(**values))} <{forty.root}"
    inside = forty.network()
    play = f"cd {folder} && exec {tools}/ansible-playbook -i hosts.ini play.yml"
    return {
        "pyinfra": (*inside, "sh", "-c", f"cd {folder} && exec {tools}/pyinfra -y --parallel 20 hosts.py deploy.py"),
        "ansible-core": (*inside, "env", f"ANSIBLE_CONFIG={folder}/ansible.cfg", "sh", "-c", play),
        "OpenSSH": (*inside, "xargs", "-a", f"{folder}/names", "-P20", "-n1", "sh", "-c", ssh, "sh"),
    }


def _installed() -> Path:
    folder = LabPlaces.of_environment().cache / "benchmark-tools"
    mark = folder / "installed"
    if not mark.exists() or mark.read_text() != " ".join(TOOLS):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", *TOOLS], check=True)
        mark.write_text(" ".join(TOOLS))
    return folder / "bin"
