"""The lab's Debian packages. To let a deployment install another package, add it to DEPLOYED."""

from __future__ import annotations

SUITE = "bookworm"

# Installed in every guest, and in the hypervisor, which is built on the same tree.
GUEST = (
    "ca-certificates", "curl", "dbus", "dnsutils", "iproute2", "iputils-ping", "less", "netbase",
    "openssh-server", "openssl", "procps", "python3", "python3-h2", "sudo", "systemd-sysv", "usr-is-merged",
)  # fmt: skip

# Also installed in the hypervisor: what a Proxmox VE node comes with.
HYPERVISOR = ("apt-utils", "ethtool", "kmod", "lxc", "nftables", "perl", "rsync", "uidmap")

# Also installed in the client: tools with which the tests observe the estate.
CLIENT = ("dnsperf", "python3-grpcio", "python3-websockets")

# Installed by a deployment from the lab's package repository, which also holds their dependencies.
DEPLOYED = (
    "acl", "conntrack", "dnsmasq", "dnsmasq-base", "docker.io", "iptables", "jq", "logrotate",
    "netcat-openbsd", "nftables", "nginx", "nginx-light", "nmap", "tcpdump", "tzdata", "zstd",
)  # fmt: skip

# usrmerge is not needed (the tree is created merged) and depends on perl.
UNWANTED = ("usrmerge",)

# Services that a guest of the lab does not need. Some wait long for devices that a container lacks.
MASKED_IN_GUESTS = (
    "apt-daily-upgrade.timer", "apt-daily.timer", "console-getty.service", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@.service", "modprobe@.service",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-journald-audit.socket",
    "systemd-logind.service", "systemd-modules-load.service", "systemd-remount-fs.service",
    "systemd-udev-trigger.service", "systemd-udevd.service",
)  # fmt: skip

# lxc.service waits two minutes for a network bridge that the hypervisor does not have.
MASKED_IN_HYPERVISOR = ("lxc.service", "lxc-net.service", "lxc-monitord.service", "lxc@.service")
