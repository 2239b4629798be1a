# A change of the firewall on the hypervisor until it is confirmed: the files as they were, a program that puts them back,
# and a timer that runs it, also after a restart of the node.
#   action: one of
#     begin: keep the files; waits until an unconfirmed change of another run ends
#     settled: wait until the configuration is in force
#     confirm: forget the kept files
#     restore: put them back now
#   token: of this change; files: those to keep; seconds: how long the timer waits; patience: how long `begin` waits
#   state, lock, unit, unit_files: see `restore.sh`, whose text with its values is `restore_program`
set -u
: "${action:?}" "${token:?}" "${files:?}" "${seconds:?}" "${patience:?}"
: "${state:?}" "${lock:?}" "${unit:?}" "${unit_files:?}" "${restore_program:?}"
umask 077
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p "${state%/*}"

holder() { cat "$state/token" 2>/dev/null; }

take_lock() {
  exec 9>"$lock"
  flock -w 10 9 || { echo "the lock $lock is held"; exit 75; }
}

# Ends when no other change is unconfirmed, and holds the lock then.
wait_for_turn() {
  limit=$(($(date +%s) + patience))
  while :; do
    take_lock
    if [ -z "$(holder)" ] || [ "$(holder)" = "$token" ]; then return; fi
    # The controller that made it may be gone, and its timer with a node that was restarted.
    timer=$(systemctl is-active "$unit.timer")
    exec 9>&-
    if [ "$timer" != active ]; then
      sh "$state/restore" ||
        { echo "the firewall as it was before an unconfirmed change cannot be put back: $state"; exit 1; }
      continue
    fi
    [ "$(date +%s)" -lt "$limit" ] || {
      echo "another run has been changing the firewall since $(date -r "$state/token" +%T)"
      exit 75
    }
    sleep 0.5
  done
}

keep_files() {
  rm -rf "$state.new" && mkdir -p "$state.new/kept" || exit 1
  for file in $files; do
    mkdir -p "$state.new/kept$file" || exit 1
    [ ! -e "$file" ] || cat "$file" >"$state.new/kept$file/content" || exit 1
  done
  printf '%s\n' "$token" >"$state.new/token"
  printf %s "$restore_program" >"$state.new/restore"
}

write_units() {
  cat >"$unit_files/$unit.service" <<UNIT
[Unit]
Description=Put the firewall back as it was, unless the change is confirmed

[Service]
Type=oneshot
ExecStart=/bin/sh $state/restore
UNIT
  cat >"$unit_files/$unit.timer" <<UNIT
[Unit]
Description=Wait for a change of the firewall to be confirmed

[Timer]
OnActiveSec=$seconds
AccuracySec=100ms

[Install]
WantedBy=timers.target
UNIT
}

begin() {
  wait_for_turn
  keep_files
  write_units
  rm -rf "$state" && mv "$state.new" "$state" || exit 1
  systemctl daemon-reload && systemctl -q enable "$unit.timer" 2>/dev/null && systemctl restart "$unit.timer" && exit 0
  rm -rf "$state"
  exit 1
}

confirm() {
  take_lock
  [ "$(holder)" = "$token" ] || { echo "it is too late: the firewall was put back as it was"; exit 76; }
  rm -rf "$state"
  systemctl -q disable --now "$unit.timer" 2>/dev/null
  rm -f "$unit_files/$unit.service" "$unit_files/$unit.timer"
  systemctl daemon-reload
}

restore() {
  [ "$(holder)" = "$token" ] || exit 0
  sh "$state/restore"
}

# Proxmox's daemon looks for changes every ten seconds.
settled() {
  limit=$(($(date +%s) + 30))
  while pve-firewall status 2>/dev/null | grep -q pending; do
    [ "$(date +%s)" -lt "$limit" ] || { echo "pve-firewall has had changes pending for 30 s"; exit 1; }
    sleep 0.1
  done
}

case $action in
  begin | settled | confirm | restore) "$action" ;;
  *) echo "there is no action $action"; exit 64 ;;
esac
