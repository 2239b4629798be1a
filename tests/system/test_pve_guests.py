"""Guests that the API creates are real: the tests observe their files, processes, networks and ids from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from proxmoxer import ResourceException

from tests.support.waiting import until
from tests.system.pve_api import IMAGE, LAB, Lab, open_lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]
CT, CLONE, TEMPLATE_VM, VM = 7001, 7002, 7008, 7009


@pytest.fixture(scope="module")
def lab(lab_up: None) -> Iterator[Lab]:  # noqa: ARG001  # the fixture starts it
    """Return the lab; remove the tests' guests before and after."""
    running = open_lab()
    for vmid in (CT, CLONE, VM, TEMPLATE_VM):
        running.remove(vmid)
    yield running
    for vmid in (CT, CLONE, VM, TEMPLATE_VM):
        running.remove(vmid)


@pytest.fixture(scope="module")
def container(lab: Lab) -> int:
    """Create and start a container."""
    lab.make_container(CT, "10.0.0.231", nameserver="10.0.0.1", searchdomain="test.invalid", tags="b;A", onboot=1)
    assert lab.finish(lab.node.lxc(CT).status.start.post()) == "OK"
    until(lambda: lab.inside(CT, "systemctl is-system-running", check=False) == "running", limit=30)
    return CT


@pytest.fixture(scope="module")
def machine(lab: Lab) -> int:
    """Create and start a VM, cloned from a template that is created from the cloud image."""
    disk = f"quickOS-vm-disks:0,import-from={IMAGE}"
    config = {"scsi0": disk, "net0": "virtio,bridge=vmbr0", "agent": "enabled=1", "memory": 512, "name": "image"}
    assert lab.finish(lab.node.qemu.post(vmid=TEMPLATE_VM, **config)) == "OK"
    assert lab.finish(lab.node.qemu(TEMPLATE_VM).template.post()) == "OK"
    assert lab.finish(lab.node.qemu(TEMPLATE_VM).clone.post(newid=VM, name="copy", full=1)) == "OK"
    cloud = {
        "ciuser": "tester",
        "sshkeys": quote((LAB / "controller_ed25519.pub").read_text(), safe=""),
        "ipconfig0": "ip=10.0.0.239/24,gw=10.0.0.1",
        "nameserver": "10.0.0.1",
        "net0": "virtio=52:54:00:77:00:99,bridge=vmbr0,firewall=1",
    }
    assert lab.finish(lab.node.qemu(VM).config.post(**cloud)) == "OK"
    assert lab.finish(lab.node.qemu(VM).status.start.post()) == "OK"
    lab.node.qemu(VM).agent.ping.post()
    return VM


def agent_run(lab: Lab, vmid: int, *argv: str) -> dict[str, object]:
    """Run a program by the guest agent; return its final status."""
    agent = lab.node.qemu(vmid).agent
    pid = agent.exec.post(command=list(argv))["pid"]
    until(lambda: agent("exec-status").get(pid=pid)["exited"])
    status: dict[str, object] = agent("exec-status").get(pid=pid)
    return status


def test_container_matches_its_configuration(lab: Lab, container: int) -> None:
    """A container's name, address, resolver and hosts match its configuration, and systemd reports running."""
    assert lab.inside(container, "hostname; systemctl is-system-running").split() == [f"test{container}", "running"]
    assert "10.0.0.231/24" in lab.inside(container, "ip -4 -br address show eth0")
    assert "nameserver 10.0.0.1" in lab.inside(container, "cat /etc/resolv.conf")
    assert f"10.0.0.231 test{container}.test.invalid test{container}" in lab.inside(container, "cat /etc/hosts")


def test_container_is_unprivileged(lab: Lab, container: int) -> None:
    """The container's root is user 100000 on the hypervisor."""
    pid = lab.root("lxc-info", "-n", str(container), "-pH")
    assert lab.root("stat", "-c", "%u", f"/proc/{pid}") == "100000"


def test_configuration_reads_back_as_proxmox_writes_it(lab: Lab, container: int) -> None:
    """Tags are sorted and in lower case, the interface has all fields, the description ends with a newline."""
    lab.node.lxc(container).config.put(description="a test")
    config = lab.node.lxc(container).config.get()
    assert config["tags"] == "a;b"
    assert config["description"] == "a test\n"
    assert config["net0"].startswith("name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=52:54:00:77:")


def test_running_container_takes_a_new_address_and_name(lab: Lab, container: int) -> None:
    """Changes of net0 and hostname apply at once to a running container; resolver settings wait for a restart."""
    net = lab.node.lxc(container).config.get()["net0"]
    lab.node.lxc(container).config.put(
        net0=net.replace("10.0.0.231", "10.0.0.232"), hostname="renamed", searchdomain="later.invalid"
    )
    assert "10.0.0.232/24" in lab.inside(container, "ip -4 -br address show eth0")
    assert lab.inside(container, "hostname") == "renamed"
    assert lab.inside(container, "ping -c1 -W2 10.0.0.1 >/dev/null && echo reached") == "reached"
    pending = {item["key"]: item.get("pending") for item in lab.node.lxc(container).pending.get()}
    assert pending["searchdomain"] == "later.invalid"
    assert "later.invalid" not in lab.inside(container, "cat /etc/resolv.conf")


def test_token_may_not_bind_a_directory_but_root_may(lab: Lab, container: int) -> None:
    """The token may not add a bind mount; ``pct set`` as root adds it to the running container, read-only."""
    with pytest.raises(ResourceException, match="only allowed for root@pam"):
        lab.node.lxc(container).config.put(mp0="/srv/bound,mp=/mnt/bound")
    lab.root("sh", "-c", "mkdir -p /srv/bound && chown 100005:100005 /srv/bound && echo data >/srv/bound/file")
    lab.root("pct", "set", str(container), "-mp0", "/srv/bound,mp=/mnt/bound,ro=1")
    assert lab.inside(container, "cat /mnt/bound/file; stat -c %u /mnt/bound") == "data\n5"
    assert "Read-only" in lab.inside(container, "touch /mnt/bound/x", check=False)
    assert lab.node.lxc(container).config.get()["mp0"] == "/srv/bound,mp=/mnt/bound,ro=1"


def test_restart_keeps_mounts_and_takes_pending_settings(lab: Lab, container: int) -> None:
    """After a reboot through the API, the bind mount remains and the pending resolver settings apply."""
    assert lab.finish(lab.node.lxc(container).status.reboot.post()) == "OK"
    assert lab.inside(container, "cat /mnt/bound/file") == "data"
    assert "later.invalid" in lab.inside(container, "cat /etc/resolv.conf")


def test_missing_source_is_refused_and_changes_nothing(lab: Lab, container: int) -> None:
    """Mounting a missing directory fails with its name, and the configuration is unchanged."""
    output = lab.root("pct", "set", str(container), "-mp1", "/no/such,mp=/mnt/x", check=False)
    assert "'/no/such' does not exist" in output
    assert "mp1" not in lab.node.lxc(container).config.get()


def test_guests_survive_a_kill_of_the_api_server(lab: Lab, container: int) -> None:
    """After SIGKILL, the API server restarts with the same configuration, and the guests keep running."""
    before = lab.root("lxc-info", "-n", str(container), "-pH")
    config = lab.node.lxc(container).config.get()
    lab.root("systemctl", "kill", "-s", "KILL", "phoenix-lab-api")
    until(lambda: "ok" in lab.root("sh", "-c", "pct list >/dev/null 2>&1 && echo ok", check=False), limit=30)
    assert lab.root("lxc-info", "-n", str(container), "-pH") == before
    assert lab.node.lxc(container).config.get() == config
    assert lab.node.lxc(container).status.current.get()["status"] == "running"


def test_end_of_a_guest_is_detected(lab: Lab, container: int) -> None:
    """A container that powers itself off is reported as stopped, and its bridge is removed."""
    lab.inside(container, "systemctl poweroff", check=False)
    until(lambda: lab.node.lxc(container).status.current.get()["status"] == "stopped")
    assert f"fwbr{container}i0" not in lab.root("ip", "-br", "link")


def test_clone_has_the_files_and_its_own_identity(lab: Lab, container: int) -> None:
    """A full clone has the original's files, and its own machine id and host name."""
    lab.root("pct", "set", str(container), "-delete", "mp0")
    lab.root("sh", "-c", f"pct start {container} && pct exec {container} -- sh -c 'echo mine >/root/file'")
    assert lab.finish(lab.node.lxc(container).status.shutdown.post()) == "OK"
    assert lab.finish(lab.node.lxc(container).clone.post(newid=CLONE, full=1, hostname="copy")) == "OK"
    assert lab.finish(lab.node.lxc(CLONE).status.start.post()) == "OK"
    assert lab.inside(CLONE, "cat /root/file; hostname").split() == ["mine", "copy"]
    ids = [lab.root("cat", f"/var/lib/vz/ct/{vmid}/merged/etc/machine-id") for vmid in (container, CLONE)]
    assert ids[0] != ids[1]


def test_destroy_removes_everything(lab: Lab, container: int) -> None:
    """A destroyed container leaves no files, mounts or firewall configuration; a bound directory keeps its files."""
    lab.node.lxc(CLONE).firewall.options.put(enable=1)
    lab.remove(CLONE)
    lab.remove(container)
    assert "No such file" in lab.root("ls", f"/var/lib/vz/ct/{CLONE}", check=False)
    assert f"/ct/{CLONE}/" not in lab.root("cat", "/proc/mounts")
    assert "enable" not in lab.node.lxc(CLONE).firewall.options.get()
    assert lab.root("cat", "/srv/bound/file") == "data"


def test_failed_start_ends_its_task_with_the_reason(lab: Lab) -> None:
    """A container on a missing bridge does not start; the task ends with the reason, and the guest is stopped."""
    lab.make_container(CT, "10.0.0.231", net0="name=eth0,bridge=vmbr9,ip=10.0.0.231/24")
    assert "bridge 'vmbr9' of net0 does not exist" in lab.finish(lab.node.lxc(CT).status.start.post())
    assert lab.node.lxc(CT).status.current.get()["status"] == "stopped"


def test_machine_answers_for_its_agent(lab: Lab, machine: int) -> None:
    """The guest agent runs commands in the VM, with exit status and output, and reads and writes its files."""
    ran = agent_run(lab, machine, "sh", "-c", "hostname; echo oops >&2; exit 3")
    assert (ran["exitcode"], ran["out-data"], ran["err-data"]) == (3, "copy\n", "oops\n")
    agent = lab.node.qemu(machine).agent
    agent("file-write").post(file="/etc/written", content="by the agent\n")
    assert lab.inside(machine, "cat /etc/written") == "by the agent"
    assert agent("file-read").get(file="/etc/written")["content"] == "by the agent\n"
    links = {link["name"]: link for link in agent("network-get-interfaces").get()["result"]}
    assert links["eth0"]["hardware-address"] == "52:54:00:77:00:99"


def test_agent_that_does_not_run_is_reported(lab: Lab, machine: int) -> None:
    """For a VM with a stopped agent, the API returns Proxmox's error after its usual timeout."""
    lab.inside(machine, "systemctl stop qemu-guest-agent")
    with pytest.raises(ResourceException, match="QEMU guest agent is not running"):
        lab.node.qemu(machine).agent.ping.post()
    lab.inside(machine, "systemctl start qemu-guest-agent")


@pytest.mark.usefixtures("machine")
def test_cloud_user_has_key_and_sudo(lab: Lab) -> None:
    """The cloud-init account can log in over SSH with the controller's key and use sudo."""
    key = Path(LAB / "controller_ed25519").read_text()
    script = (
        "umask 077; k=$(mktemp); cat >$k <<'KEY'\n" + key + "KEY\n"
        "ssh -i $k -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
        "tester@10.0.0.239 'id -un; sudo -n id -un'; rm $k"
    )
    assert lab.root("sh", "-c", script).split() == ["tester", "root"]


def test_exports_appear_in_the_vm(lab: Lab, machine: int) -> None:
    """An NFS export to a running VM appears in it, survives a reboot, and disappears with its line in the table."""
    table = lab.root("sh", "-c", "cat /run/lab-exports 2>/dev/null", check=False)
    lab.root("sh", "-c", "mkdir -p /srv/share && echo shared >/srv/share/file")
    lab.root("sh", "-c", "echo '/srv/share 10.0.0.239 rw,sync' >>/run/lab-exports")
    until(lambda: lab.inside(machine, "cat /run/lab-nfs/srv/share/file", check=False) == "shared")
    assert lab.finish(lab.node.qemu(machine).status.reboot.post()) == "OK"
    assert lab.inside(machine, "cat /run/lab-nfs/srv/share/file") == "shared"
    lab.root("sh", "-c", 'printf "%s" "$1" >/run/lab-exports', "sh", table + "\n" if table else "")
    until(lambda: lab.inside(machine, "ls -d /run/lab-nfs/srv/share 2>/dev/null", check=False) == "")


def test_unimplemented_operations_are_refused(lab: Lab) -> None:
    """A snapshot and a cloud-init password are refused with 501."""
    with pytest.raises(ResourceException, match="501"):
        lab.node.qemu(VM).snapshot.post(snapname="x")
    with pytest.raises(ResourceException, match="501"):
        lab.node.qemu(VM).config.put(cipassword="secret")
