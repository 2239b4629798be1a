#!/bin/sh
# Registers agents with Portainer, with the client certificate that they require. Generated from the inventory; edits
# are undone. With --check it changes nothing and prints `registered` if all are registered. No secret is an argument
# of a process.
#   port: Portainer's own; password_file: its first password; bundle, certificate, key: what an agent is met with
#   agents: words NAME=HOST:PORT; mark: directory that notes which certificate an agent was registered with
set -u
: "${port:?}" "${password_file:?}" "${bundle:?}" "${certificate:?}" "${key:?}" "${agents:?}" "${mark:?}"
base=https://127.0.0.1:$port/api
action=${1:-register}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
umask 077
ask() { curl -sS --max-time 20 --cacert "$bundle" "$@"; }

# Portainer may have been started a moment ago, with a new certificate.
wait_for_portainer() {
  tries=0
  until [ $tries = 40 ]; do
    ask -s -o /dev/null "$base/system/status" 2>/dev/null
    case $? in 0 | 60) return ;; esac # 60: it answers, with a certificate that is not trusted
    tries=$((tries + 1)); sleep 1
  done
}

log_in() {
  printf '{"username":"admin","password":"%s"}' "$(cat "$password_file")" >"$work/login"
  ask -f -o "$work/token" -H 'Content-Type: application/json' --data @"$work/login" "$base/auth" || {
    echo "Portainer refuses the password in $password_file: its data holds another one (reset it with" \
      "portainer/helper-reset-password)"
    exit 1
  }
  printf 'Authorization: Bearer %s' "$(sed -n 's/.*"jwt" *: *"\([^"]*\)".*/\1/p' "$work/token")" >"$work/header"
}

is_registered() {
  grep -q "\"Name\" *: *\"$1\"" "$work/endpoints" && [ "$(cat "$mark/$1" 2>/dev/null)" = "$current" ]
}

# register NAME HOST:PORT: replaces the record of an agent.
register() {
  id=$(tr '{' '\n' <"$work/endpoints" | sed -n "/\"Name\" *: *\"$1\"/s/.*\"Id\" *: *\([0-9]*\).*/\1/p" | head -n 1)
  [ -z "$id" ] || ask -f -o /dev/null -X DELETE -H @"$work/header" "$base/endpoints/$id" || exit 1
  ask -o "$work/answer" -w '%{http_code}' -H @"$work/header" -F "Name=$1" -F EndpointCreationType=2 \
    -F "URL=tcp://$2" -F TLS=true -F TLSSkipVerify=false -F TLSSkipClientVerify=false \
    -F "TLSCACertFile=@$bundle" -F "TLSCertFile=@$certificate" -F "TLSKeyFile=@$key" \
    "$base/endpoints" >"$work/code" || exit 1
  case $(cat "$work/code") in
    2*) printf %s "$current" >"$mark/$1" ;;
    *) echo "Portainer did not accept the agent $1: $(head -c 300 "$work/answer")"; exit 1 ;;
  esac
}

[ "$action" = --check ] || wait_for_portainer
log_in
ask -f -o "$work/endpoints" -H @"$work/header" "$base/endpoints" || exit 1
mkdir -p "$mark"
current=$(cat "$certificate" "$bundle" | sha256sum | cut -d' ' -f1)
status=0
for agent in $agents; do
  if is_registered "${agent%%=*}"; then :
  elif [ "$action" = --check ]; then status=1
  else register "${agent%%=*}" "${agent#*=}"; fi
done
[ $status = 0 ] && echo registered
exit $status
