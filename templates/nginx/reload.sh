#!/bin/sh
# Reloads Nginx while new connections wait. A worker that is told to end closes connections that have sent no request
# yet, and their clients take that for a failure. Generated from the inventory; edits are undone.
#   ports: those that Nginx listens on; bundle, anchors: the anchors on this host, and the copy that shows what was read
set -u
: "${ports:?}" "${bundle:?}" "${anchors:?}" "${MAINPID:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
old=$(sed -n "s/^\([0-9]*\) (nginx) . $MAINPID .*/\1/p" /proc/[0-9]*/stat 2>/dev/null)
# shellcheck disable=SC2086 # a list of words
hold_ports phoenix_nginx 10 $ports ||
  echo 'new connections cannot be held on this host; one that is being made may be lost' >&2
sleep 0.3 # clients that were connected before have sent their request by then
/bin/cp "$bundle" "$anchors"
nginx -s reload
status=$?

# ending: true if every old worker has ended, or accepts no new connection any more.
ending() {
  for worker in $old; do
    ! [ -e "/proc/$worker" ] || tr '\0' ' ' <"/proc/$worker/cmdline" | grep -q 'shutting down' || return 1
  done
}

tries=0
while [ $status = 0 ] && [ $tries -lt 50 ] && ! ending; do tries=$((tries + 1)); sleep 0.1; done
nft delete table inet phoenix_nginx 2>/dev/null
exit $status
