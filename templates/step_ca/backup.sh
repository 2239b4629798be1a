# Prints the CA's state as an archive in base64. The CA is stopped meanwhile; a timer starts it again even if this script
# is killed.
#   state: directory of the state; unit: the CA's; lock: lock file that keeps Phoenix's scripts apart
: "${state:?}" "${unit:?}" "${lock:?}"
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$state" || exit 1
exec 9>"$lock"
flock -w 60 9 || { echo 'another run of Phoenix is still at work on this host' >&2; exit 1; }
restart() { systemctl start "$unit" && systemctl stop phoenix-ca-again.timer; }
if systemctl is-active --quiet "$unit"; then
  systemctl stop phoenix-ca-again.timer 2>/dev/null
  systemd-run --quiet --collect --unit=phoenix-ca-again --on-active=120 systemctl start "$unit" || exit 1
  trap restart EXIT
  systemctl stop "$unit" || exit 1
fi
set --
for part in certs secrets config db next previous provisioner.next; do [ ! -e $part ] || set -- "$@" $part; done
tar --create --gzip --owner=0 --group=0 "$@" | base64 -w0
