#!/bin/sh
# Keeps one certificate valid: renews it if it is due, then reloads the service that uses it. Generated from the
# inventory; edits are undone.
#   (no argument) waits for the lock that keeps Phoenix's scripts apart, then does both
#   renew: does both for a caller that holds the lock
#   finish: for such a caller, only puts a pair that is ready in its place
# $next is complete or meaningless. It is removed after the reload, so that the next call continues an interrupted one.
#   crt, key, next: the leaf's files, and the directory of a new pair; `remove.sh` reads these three lines
#   verb, unit: how systemctl reloads the service, both empty if there is none; unit_files: where units are
#   owner, renew_before, ca_url, bundle, lock
set -u
: "${crt:?}" "${key:?}" "${next:?}" "${verb?}" "${unit?}" "${unit_files:?}"
: "${owner:?}" "${renew_before:?}" "${ca_url:?}" "${bundle:?}" "${lock:?}"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
umask 077

reload() {
  case $verb in
    '') ;;
    start) [ ! -e "$unit_files/$unit" ] || timeout 100 systemctl start "$unit" ;;
    *) ! systemctl is-active --quiet "$unit" || timeout 100 systemctl "$verb" "$unit" ;;
  esac
}

finish() {
  [ -e "$next/complete" ] || { rm -rf "$next"; return 0; }
  [ ! -e "$next/key" ] || mv -fT "$next/key" "$key" || return 1
  [ ! -e "$next/crt" ] || mv -fT "$next/crt" "$crt" || return 1
  reload || { echo "$crt is in its place, but its service did not take it: $verb $unit failed" >&2; return 1; }
  rm -rf "$next"
}

renew() {
  step certificate needs-renewal --expires-in "$renew_before" "$crt" >/dev/null 2>&1
  case $? in 0) ;; 1) return 0 ;; *) echo "$crt is absent or unreadable: deploy" >&2; return 1 ;; esac
  mkdir "$next" &&
    timeout 60 step ca renew "$crt" "$key" --out "$next/crt" --force --ca-url "$ca_url" --root "$bundle" &&
    openssl verify -CAfile "$bundle" -untrusted "$next/crt" "$next/crt" >/dev/null &&
    chown "$owner" "$next/crt" && chmod 644 "$next/crt" && sync "$next/crt" && touch "$next/complete" &&
    finish && return 0
  [ -e "$next/complete" ] || rm -rf "$next"
  echo "$crt was not renewed, it is good until $(openssl x509 -noout -enddate -in "$crt" | cut -d= -f2)" >&2
  return 1
}

case "${1:-}" in
  finish) finish; exit ;;
  renew) finish && renew; exit ;;
esac
{ mkdir -p "${lock%/*}" && exec 9>"$lock" && flock -w 100 9; } || {
  echo "another run of Phoenix is at work here" >&2
  exit 1
}
finish && renew
