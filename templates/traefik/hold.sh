#!/bin/sh
# Restarts the mesh without a failed request: new connections wait instead of being refused or answered too early, and
# the old Traefik keeps the connections that it has. Generated from the inventory; edits are undone.
#   authority: if a certificate is missing, waits until the CA answers, because Traefik asks for it only when it starts
#   hold: drops new connections, so that their senders ask again; it ends by itself after $seconds
#   release: lets them in as soon as the mesh has its routes and presents a good certificate for each, or after 10 s; the
#     CA's challenges wait for the routes only
#   run: starts Traefik in a unit of its own, and ends when that does
#   retire: stops the old Traefik listening; it ends with its last connection, or after an hour
# Values:
#   storage, config, user: Traefik's certificates, its configuration and its user; names: file with the routes' names
#   bundle, ca_url: the anchors, and where the CA is; seconds: how long connections wait
#   ports, port, challenge_port, ping_port: all that clients connect to, the edge's, the CA's, and that of Traefik's status
set -u
: "${storage:?}" "${config:?}" "${user:?}" "${names:?}" "${bundle:?}" "${ca_url:?}" "${seconds:?}"
: "${ports:?}" "${port:?}" "${challenge_port:?}" "${ping_port:?}"
unit=traefik-${INVOCATION_ID-}.service

wanted() { cat "$names"; }

# Prints the names in the storage whose certificate verifies.
good() {
  chain=$(mktemp) || return 1
  sed -n 's/^ *"main": *"\(.*\)".*/main \1/p; s/^ *"certificate": *"\(.*\)".*/chain \1/p' "$storage" |
    while read -r kind value; do
      if [ "$kind" = main ]; then name=$value; continue; fi
      printf %s "$value" | base64 -d >"$chain"
      if openssl verify -CAfile "$bundle" -untrusted "$chain" "$chain" >/dev/null 2>&1; then echo "$name"; fi
    done
  rm -f "$chain"
}

authority() {
  known=$(good)
  lacking=
  for name in $(wanted); do echo "$known" | grep -qxF "$name" || lacking="$lacking $name"; done
  [ -n "$lacking" ] || return 0
  tries=$([ -n "$known" ] && echo 10 || echo 120)
  while [ "$tries" -gt 0 ]; do
    curl -fsS -o /dev/null --max-time 2 --cacert "$bundle" "$ca_url/health" && return 0
    tries=$((tries - 1)); sleep 0.5
  done
  echo "the authority $ca_url does not answer; certificates are missing for$lacking"
  [ -n "$known" ]
}

hold() {
  # shellcheck disable=SC2086 # a list of words
  hold_ports phoenix_mesh "$seconds" $ports
}

# Asks with every name: the certificate must verify. No route is used, because none has this host name.
presented() {
  set --
  for name in $(wanted); do set -- "$@" "https://$name/"; done
  [ $# -gt 0 ] || return 0
  curl -sSI --fail-early --max-time 2 --cacert "$bundle" -H 'Host: phoenix.invalid' \
    --connect-to "::127.0.0.1:$port" "$@"
}

# until_time LIMIT COMMAND...: repeats a command until it succeeds, or until that time.
until_time() {
  limit=$1; shift
  while [ "$(date +%s)" -lt "$limit" ]; do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
}

routed() { curl -fsS --max-time 1 "http://127.0.0.1:$ping_port/ping" "http://127.0.0.1:$ping_port/ready"; }

release() {
  known=$(good)
  limit=$(($(date +%s) + 10))
  until_time "$limit" routed
  nft delete element inet phoenix_mesh held "{ $challenge_port }"
  [ -z "$known" ] || until_time "$limit" presented
  nft delete table inet phoenix_mesh
}

run() {
  systemd-run --quiet --collect --unit="$unit" --description='Traefik of the mesh' \
    --property=User="$user" --property=Group="$user" --property=AmbientCapabilities=CAP_NET_BIND_SERVICE \
    --property=NoNewPrivileges=yes --property=ProtectHome=yes --property=LimitNOFILE=65536 \
    --property=TimeoutStopSec=5 /usr/local/bin/traefik --configFile="$config" || exit 1
  exec tail -f /dev/null --sleep-interval=0.2 --pid="$(systemctl show --property=MainPID --value "$unit")"
}

# Stops all but the last two that are still ending: each uses the memory of a Traefik.
retire() {
  hold
  sleep 0.3 # connections that came before the hold are accepted, and so are kept
  pid=$(systemctl show --property=MainPID --value "$unit")
  [ "${pid:-0}" = 0 ] || kill -TERM "$pid"
  tries=0
  while [ $tries -lt 50 ] && ss -Hltn "sport = :$port" | grep -q .; do tries=$((tries + 1)); sleep 0.1; done
  systemctl list-units --plain --no-legend --state=active 'traefik-*.service' | while read -r name _; do
    echo "$(systemctl show --property=ActiveEnterTimestampMonotonic --value "$name") $name"
  done | sort -rn | tail -n +3 | while read -r _ name; do systemctl stop --no-block "$name"; done
}

case ${1-} in
authority | hold | release | run | retire) "$1" ;;
*) echo "usage: $0 authority|hold|release|run|retire"; exit 64 ;;
esac
