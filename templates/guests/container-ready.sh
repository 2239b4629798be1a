# Waits on the node until systemd in a container has come up; prints its last state if it does not.
#   vmid: of the container; limit: seconds to wait
: "${vmid:?}" "${limit:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
end=$(($(date +%s) + limit))
while [ "$(date +%s)" -lt $end ]; do
  state=$(timeout 5 lxc-attach -n "$vmid" -- systemctl is-system-running 2>/dev/null </dev/null)
  case $state in running | degraded) exit 0 ;; esac
  sleep 0.1
done
echo "systemd in it says: ${state:-nothing}"
exit 1
