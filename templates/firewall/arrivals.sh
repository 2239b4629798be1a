# Observes which connections arrive at this host and at the containers that it carries, while other hosts try them.
#   action: one of
#     start: begin to observe; prints the folder with the results when all observers are ready
#     collect: end it; prints `NAME ` and each line that the observer of the host printed
#   program: the text of `arrivals.pl`; seconds: after which it ends by itself; ports: UDP ports to observe
#   hosts: words NAME=WHERE: of this host, with WHERE as `arrivals.pl` takes it; NAME=VMID for a container
#   folder: with the results, for `collect`
: "${action:?}" "${program?}" "${seconds:?}" "${ports?}" "${hosts?}" "${folder?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# observe NAME PLACE: becomes the observer of a host.
observe() {
  name=$1 where=interface
  case $2 in
    interface | socket) where=$2 && set -- ;;
    *) set -- nsenter -t "$(lxc-info -n "$2" -p -H)" -n ;;
  esac
  # shellcheck disable=SC2086 # a list of words
  exec setsid "$@" perl arrivals.pl "$where" "$seconds" $ports >"seen.$name" 2>"error.$name"
}

runs() { [ -d "/proc/$(cat "$1")" ]; }

start() {
  folder=$(mktemp -d /run/phoenix-arrivals.XXXXXXXX) && cd "$folder" || exit 1
  printf %s "$program" >arrivals.pl
  for host in $hosts; do
    observe "${host%%=*}" "${host#*=}" >/dev/null 2>&1 &
    echo $! >"pid.${host%%=*}"
  done
  # If the controller is lost, the results are removed.
  setsid sh -c "sleep $((seconds + 5)); rm -rf '$folder'" >/dev/null 2>&1 &
  echo $! >removal
  tries=100
  for host in $hosts; do
    while runs "pid.${host%%=*}" && [ ! -s "seen.${host%%=*}" ] && [ $((tries = tries - 1)) -gt 0 ]; do sleep 0.02; done
  done
  echo "$folder"
}

collect() {
  cd "$folder" || exit 1
  for pid in pid.*; do kill "$(cat "$pid")" 2>/dev/null; done
  tries=100
  for pid in pid.*; do
    while runs "$pid" && [ $((tries = tries - 1)) -gt 0 ]; do sleep 0.02; done
    sed "s/^/${pid#pid.} /" "seen.${pid#pid.}"
  done
  kill -- "-$(cat removal)" 2>/dev/null
  rm -rf "$folder"
}

case $action in
  start | collect) "$action" ;;
  *) echo "there is no action $action"; exit 64 ;;
esac
