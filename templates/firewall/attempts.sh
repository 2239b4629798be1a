# Tries connections from this host and from the containers that it carries, and prints `NAME PROTOCOL ADDRESS PORT RESULT`
# for each.
#   program: the text of `attempts.pl`; limit, at_once: its arguments
#   hosts: words NAME= for this host, NAME=VMID for a container; attempts: lines `NAME PROTOCOL ADDRESS PORT`
: "${program:?}" "${limit:?}" "${at_once:?}" "${hosts:?}" "${attempts:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
work=$(mktemp -d /run/phoenix-attempts.XXXXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
printf %s "$program" >try.pl

# try_from NAME VMID: in the network namespace of the container, if a vmid is given.
try_from() {
  name=$1
  if [ -n "$2" ]; then set -- nsenter -t "$(lxc-info -n "$2" -p -H)" -n; else set --; fi
  printf '%s\n' "$attempts" | sed -n "s/^$name //p" | "$@" perl try.pl "$limit" "$at_once" 2>"error.$name" |
    sed "s/^/$name /" >"result.$name"
}

for host in $hosts; do try_from "${host%%=*}" "${host#*=}" & done
wait
cat result.*
