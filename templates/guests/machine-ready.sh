# Waits in a virtual machine until cloud-init and systemd have finished.
if command -v cloud-init >/dev/null; then timeout 170 cloud-init status --wait >/dev/null; fi
timeout 170 systemctl is-system-running --wait || true
