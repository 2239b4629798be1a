"""Measures the issue of 200 leaves to 40 guests, compared with the CA's maximum signing rate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console

from benchmarks.forty import FORTY, LAB, PYTHON, Forty
from benchmarks.machine import describe
from benchmarks.measure import ROOT, BenchmarkError

LEAVES = 5  # per guest
PREPARE = """
set -e
rm -rf /run/ceiling && mkdir -m 700 /run/ceiling && cd /run/ceiling
state=/etc/step-ca/ssl url=https://ca.internal.thinkheads.ai:9000
jwk=$(step ca provisioner list --ca-url $url --root $state/phoenix_ca.crt |
  sed -n 's/.*"encryptedKey": "\\(.*\\)".*/\\1/p' | head -n 1 |
  step crypto jwe decrypt --password-file $state/secrets/provisioner_password)
for n in $(seq {count}); do
  step certificate create --csr --no-password --insecure signed-$n.internal.thinkheads.ai $n.csr $n.key
  printf %s "$jwk" | step ca token signed-$n.internal.thinkheads.ai --key /dev/stdin \
    --provisioner admin@thinkheads.ai --ca-url $url --root $state/phoenix_ca.crt >$n.token
done >/dev/null 2>&1
"""
SIGN = r"""
cd /run/ceiling || exit 1
url=https://ca.internal.thinkheads.ai:9000 root=/etc/step-ca/ssl/phoenix_ca.crt
one="step ca sign --token \$(cat \$0.token) --ca-url $url --root $root \$0.csr \$0.crt"
begin=$(date +%s.%N)
seq {count} | xargs -P{parallel} -I{{}} sh -c "$one" {{}} >/dev/null 2>&1
end=$(date +%s.%N)
echo "$(ls *.crt | wc -l) $begin $end"; rm -rf /run/ceiling
"""


def main() -> int:
    """Report both rates in certificates per second; the ceiling is the best of several numbers of parallel signers."""
    ArgumentParser(description=main.__doc__, allow_abbrev=False).parse_args()
    os.environ["PHOENIX_LAB"] = f"{LAB}-issue"
    console = Console()
    console.print(*(f"{key}: {value}" for key, value in describe().items()), sep="\n", highlight=False)
    with tempfile.TemporaryDirectory(prefix="phoenix-bench-", dir="/var/tmp") as scratch:
        forty = Forty(Path(scratch))
        try:
            console.print(f"creating {FORTY} containers", style="dim")
            forty.start()
            ceiling = max(_ceiling(parallel) for parallel in (2, 4, 8))
            console.print(f"the CA's ceiling, with parallel `step ca sign`: {ceiling:.1f} per second")
            seconds, number = _issue(forty)
            rate = number / seconds
            console.print(f"{number} leaves on {FORTY} guests in {seconds:.1f} s: {rate:.1f} per second")
            console.print(f"this is {rate / ceiling:.2f} of the ceiling, with keys, tokens, renewal scripts and timers")
        except (BenchmarkError, subprocess.CalledProcessError) as error:
            console.print(str(error), style="red", markup=False, highlight=False)
            return 1
        finally:
            forty.stop()
    return 0


def _ceiling(parallel: int) -> float:
    count = FORTY * LEAVES
    _in_authority(PREPARE.format(count=count))
    signed, begin, end = _in_authority(SIGN.format(count=count, parallel=parallel)).split()
    if int(signed) != count:
        raise BenchmarkError(f"only {signed} of {count} requests were signed")
    return count / (float(end) - float(begin))


def _in_authority(script: str) -> str:
    command = [PYTHON, "runbooks/lab.py", "exec", "step-ca", "--", "sh", "-c", script]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout


def _issue(forty: Forty) -> tuple[float, int]:
    """Deploy the leaves after the programs, so that only certificates are measured; return seconds and number."""
    hosts = forty.inventory / "hosts.yaml"
    text = hosts.read_text().replace("groups: [lxc, trusted_ca]", "groups: [lxc, trusted_ca, step_cli]")
    hosts.write_text(text)
    _deploy(forty)
    for vmid in forty.targets.values():
        ssh = f"ssh-{vmid}: {{port: 22, scheme: tcp, clients: [pve]}}"
        leaves = [f"leaf-{vmid}-{n}: {{port: {20000 + n}, scheme: https}}" for n in range(LEAVES)]
        separator = ", " if f"{{{ssh}}}" in text else "\n      "
        text = text.replace(ssh, separator.join([ssh, *leaves]))
    hosts.write_text(text)
    record = _deploy(forty)
    issued = sum(
        change["action"] == "issue"
        for host in record["hosts"].values()
        for task in host["tasks"]
        for change in task["changes"]
    )
    return sum(seconds for stage, seconds in record["stages"].items() if stage.startswith("certificates")), issued


def _deploy(forty: Forty) -> dict[str, Any]:
    file = forty.folder / "record.json"
    command = [PYTHON, "runbooks/deploy.py", "--lab", "--inventory", str(forty.inventory), "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise BenchmarkError(f"deploy.py ended with {done.returncode}: {done.stdout[-2000:]}")
    return dict(json.loads(file.read_text()))


if __name__ == "__main__":
    sys.exit(main())
