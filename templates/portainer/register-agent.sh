#!/bin/sh
# Keeps the environments of the estate's agents in Portainer, each with the client certificate that its agent requires.
# Generated from the inventory; edits are undone. No secret is an argument of a process.
# An environment is the estate's if it has the estate's tag. Others are never changed, whatever their names are.
# With --check it changes nothing and prints `registered`, or what differs: `certificate` alone if all agents are
# registered with an older certificate, `silent` if Portainer does not answer.
#   port: Portainer's own; unit: runs Portainer; password_file: its first password; tag: the estate's
#   bundle, certificate, key: what an agent is met with; agents: words NAME=HOST:PORT
#   mark: directory that notes which certificate an agent was registered with
set -u
: "${port:?}" "${unit:?}" "${password_file:?}" "${tag:?}" "${bundle:?}" "${certificate?}" "${key?}" "${agents?}" "${mark:?}"
base=https://127.0.0.1:$port/api
action=${1:-register}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
umask 077
ask() { curl -sS --max-time 20 --cacert "$bundle" "$@"; }
signed_in() { ask -f -H @"$work/header" "$@"; }

# wait_for_portainer SECONDS: it may have been started a moment ago, with a new certificate.
wait_for_portainer() {
  tries=0
  until [ $tries = "$1" ]; do
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

# read_environments: writes a line `ID URL NAME` for each environment, and the ids of the estate's.
read_environments() {
  signed_in -o "$work/endpoints" "$base/endpoints?excludeSnapshots=true" && signed_in -o "$work/tags" "$base/tags" || exit 1
  tr '{' '\n' <"$work/endpoints" | sed -n \
    's/^"Id" *: *\([0-9]*\), *"Name" *: *"\([^"]*\)".*"URL" *: *"\([^"]*\)".*/\1 \3 \2/p' >"$work/all"
  name=$(printf %s "$tag" | sed 's/\./\\./g')
  tr '{' '\n' <"$work/tags" | sed -n "/\"Name\" *: *\"$name\"/{p;n;p;q}" >"$work/tag"
  tag_id=$(sed -n '1s/.*"ID" *: *\([0-9]*\).*/\1/p' "$work/tag")
  # The second line holds the tag's environments if the first one announces them: {"7":true,"9":true}
  sed -n '1{/"Endpoints" *: *$/!q;n;s/}.*//;p}' "$work/tag" | tr ',' '\n' | sed -n 's/.*"\([0-9]*\)" *: *true.*/\1/p' >"$work/ours"
}

make_tag() {
  [ -z "$tag_id" ] || return 0
  printf '{"Name":"%s"}' "$tag" >"$work/new-tag"
  tag_id=$(signed_in -H 'Content-Type: application/json' --data @"$work/new-tag" "$base/tags" |
    sed -n 's/.*"ID" *: *\([0-9]*\).*/\1/p')
  [ -n "$tag_id" ] || { echo "Portainer did not create the tag $tag"; exit 1; }
}

# inspect NAME HOST:PORT: sets id and state of an agent's environment: registered, certificate, absent or foreign.
inspect() {
  id='' state=absent
  while read -r number url name; do
    [ "$name" = "$1" ] || continue
    id=$number state=foreign
    if grep -qx "$number" "$work/ours"; then
      if [ "$url" != "tcp://$2" ]; then state=differs
      elif [ "$(cat "$mark/$1" 2>/dev/null)" = "tagged $current" ]; then state=registered
      else state=certificate; fi
    # Before tags, a mark without this word showed the owner.
    elif [ "$url" = "tcp://$2" ] && [ -e "$mark/$1" ] && ! grep -q ^tagged "$mark/$1"; then state=differs; fi
    return
  done <"$work/all"
}

# removed_agents: prints the ids of the estate's environments whose agents are not declared.
removed_agents() {
  while read -r number _ name; do
    grep -qx "$number" "$work/ours" || continue
    case " $agents" in *" $name="*) ;; *) echo "$number" ;; esac
  done <"$work/all"
}

remove() { signed_in -o /dev/null -X DELETE "$base/endpoints/$1" || exit 1; }

# register NAME HOST:PORT: replaces the record of an agent.
register() {
  [ $state != foreign ] || {
    echo "Portainer has an environment $1 that this estate did not register: rename or delete it in Portainer, or give" \
      "it the tag $tag to hand it over"
    exit 1
  }
  [ -z "$id" ] || remove "$id"
  make_tag
  ask -o "$work/answer" -w '%{http_code}' -H @"$work/header" -F "Name=$1" -F EndpointCreationType=2 \
    -F "URL=tcp://$2" -F "TagIds=[$tag_id]" -F TLS=true -F TLSSkipVerify=false -F TLSSkipClientVerify=false \
    -F "TLSCACertFile=@$bundle" -F "TLSCertFile=@$certificate" -F "TLSKeyFile=@$key" \
    "$base/endpoints" >"$work/code" || exit 1
  case $(cat "$work/code") in
    2*) printf 'tagged %s' "$current" >"$mark/$1" ;;
    *) echo "Portainer did not accept the agent $1: $(head -c 300 "$work/answer")"; exit 1 ;;
  esac
}

if [ "$action" != --check ]; then wait_for_portainer 40
elif systemctl is-active --quiet "$unit"; then wait_for_portainer 10; fi
ask -s -o /dev/null "$base/system/status" 2>/dev/null || [ "$action" != --check ] || { echo silent; exit 1; }
log_in
read_environments
mkdir -p "$mark"
current=$(cat ${agents:+"$certificate"} "$bundle" | sha256sum | cut -d' ' -f1)
differences=''
for agent in $agents; do
  inspect "${agent%%=*}" "${agent#*=}"
  if [ $state = registered ]; then :
  elif [ "$action" = --check ]; then differences="$differences $state"
  else register "${agent%%=*}" "${agent#*=}"; fi
done
for id in $(removed_agents); do
  if [ "$action" = --check ]; then differences="$differences removed"; else remove "$id"; fi
done
[ -n "$differences" ] || { echo registered; exit 0; }
printf '%s' "$differences" | tr -s ' ' '\n' | sed 1d | sort -u | paste -sd ' '
exit 1
