# Runs one script in a container: $1 is VMID=FILE.
#   limit: seconds; work: directory of the script and the results; both are in the environment
: "${limit:?}" "${work:?}"
vmid=${1%=*}
timeout -k 2 "$limit" lxc-attach -n "$vmid" --clear-env -- /bin/sh -s <"$work/${1#*=}" >"$work/$vmid.out" 2>"$work/$vmid.err"
echo $? >"$work/$vmid.status"
