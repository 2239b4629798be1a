# Puts the firewall's files back as they were before a change that was not confirmed, and removes itself with its timer.
# It lies in $state on the node, where `transaction.sh` wrote it. It is read to its end before it begins.
#   state: directory with the kept files; lock: lock file of changes; unit, unit_files: name of timer and service, their directory
: "${state:?}" "${lock:?}" "${unit:?}" "${unit_files:?}"
main() {
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin
  exec 9>"$lock"
  flock -w 30 9 || exit 1
  [ -e "$state/token" ] || exit 0
  find "$state/kept" -type d -name '*.fw' | while read -r kept; do
    file=${kept#"$state/kept"}
    if [ ! -e "$kept/content" ]; then
      rm -f "$file"
    elif ! cmp -s "$kept/content" "$file"; then
      { cat "$kept/content" >"$file.phoenix" && mv -f "$file.phoenix" "$file"; } || exit 1
    fi
  done || exit 1
  rm -rf "$state"
  logger -t phoenix "the firewall was put back as it was: the change was not confirmed" 2>/dev/null
  systemctl -q disable "$unit.timer" 2>/dev/null
  systemctl --no-block stop "$unit.timer"
  rm -f "$unit_files/$unit".*
  systemctl --no-block daemon-reload
}
main
