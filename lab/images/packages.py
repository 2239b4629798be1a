"""Which Debian packages the lab holds. To let a deployment install another one, add its name to DEPLOYED."""

from __future__ import annotations

SUITE = "bookworm"

# In every guest, and therefore in the hypervisor, which is built upon the same tree.
GUEST = (
    "ca-certificates", "curl", "dbus", "dnsutils", "iproute2", "iputils-ping", "less", "netbase",
    "openssh-server", "openssl", "procps", "python3", "python3-h2", "sudo", "systemd-sysv", "usr-is-merged",
)  # fmt: skip

# In the hypervisor besides: what a Proxmox VE node has of its own accord.
HYPERVISOR = ("apt-utils", "ethtool", "kmod", "lxc", "nftables", "perl", "rsync", "uidmap")

# In the client besides: what one looks at the estate with.
CLIENT = ("dnsperf", "python3-grpcio", "python3-websockets")

# Installed by a deployment, from the package repository that the lab serves; their dependencies come along.
DEPLOYED = (
    "acl", "conntrack", "dnsmasq", "dnsmasq-base", "docker.io", "iptables", "jq", "logrotate",
    "netcat-openbsd", "nftables", "nginx", "nginx-light", "nmap", "tcpdump", "tzdata", "zstd",
)  # fmt: skip

# usrmerge converts a tree that was never unmerged, and draws in perl.
UNWANTED = ("usrmerge",)

# Services that a guest of the lab has no use for. Some wait long for what a container lacks.
MASKED_IN_GUESTS = (
    "apt-daily-upgrade.timer", "apt-daily.timer", "console-getty.service", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@.service", "modprobe@.service",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-journald-audit.socket",
    "systemd-logind.service", "systemd-modules-load.service", "systemd-remount-fs.service",
    "systemd-udev-trigger.service", "systemd-udevd.service",
)  # fmt: skip

# lxc.service waits two minutes for a network bridge that the hypervisor does not use.
MASKED_IN_HYPERVISOR = ("lxc.service", "lxc-net.service", "lxc-monitord.service", "lxc@.service")
