# Waits in a virtual machine until cloud-init and systemd have finished.
#   limit: seconds to wait
: "${limit:?}"
end=$(($(date +%s) + limit))
if command -v cloud-init >/dev/null; then timeout "$limit" cloud-init status --wait >/dev/null; fi
left=$((end - $(date +%s)))
if [ $left -gt 0 ]; then timeout $left systemctl is-system-running --wait || true; fi
