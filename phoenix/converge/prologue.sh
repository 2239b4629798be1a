# Shell functions at the beginning of every script of changes.
#   lock: file that keeps two scripts apart; unfinished: directory of marks of interrupted changes
#   policy_mark: a line of our policy-rc.d
#   replaced: directory of copies of files that Phoenix did not write; made: a text in the files that it writes
: "${lock:?}" "${unfinished:?}" "${policy_mark:?}" "${replaced:?}" "${made:?}"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
export DEBIAN_FRONTEND=noninteractive
# One script at a time: if a controller was killed, its script ends before the next one begins.
{ { [ -d "${lock%/*}" ] || mkdir -p "${lock%/*}"; } && exec 9>"$lock" && flock -w 240 9; } || {
  echo 'another run of Phoenix is still at work on this host' >&2
  exit 96
}
umask 022
set -- /run/phoenix.*
[ ! -e "$1" ] || rm -rf "$@"
work=/run/phoenix.work
mkdir -m 700 $work || exit 97
trap 'rm -rf "$work"' EXIT
trap 'restore >/dev/null 2>&1; exit 98' HUP INT TERM
trap '' PIPE # a script runs to its end even if its reader is gone

fail() { echo "$1"; return 1; }

# broke: ends the script with the output of the failed step, and restores the files that were changed together with it.
broke() {
  restore >/dev/null 2>&1
  printf '@failed|%s\n' "$(tail -c 2000 "$work/log" | base64 -w0)"
  exit 90
}

# begin UNIT … commit: `restore` undoes what `put` and `save` do in between. If this script is killed in between, the
# unit's mark tells the next run that files may have been written that the unit has not read.
begin() {
  mark=$unfinished/$1
  rm -rf "$work/saved"
  mkdir "$work/saved" && : >"$work/saved/list" && mkdir -p "${mark%/*}" && : >"$mark"
}
commit() { rm -rf "$work/saved" "$mark"; }
save() {
  [ -e "$work/saved/list" ] || return 0
  n=$(wc -l <"$work/saved/list")
  if [ -e "$1" ] || [ -L "$1" ]; then cp -a "$1" "$work/saved/$n" && echo "$n $1" >>"$work/saved/list"
  else echo "- $1" >>"$work/saved/list"; fi
}
restore() {
  [ -e "$work/saved/list" ] || return 0
  while read -r n path; do
    if [ "$n" = - ]; then rm -f "$path"; else cp -a "$work/saved/$n" "$path.phoenix-back" && mv -fT "$path.phoenix-back" "$path"; fi
  done <"$work/saved/list"
  commit
  systemctl daemon-reload
}

# put PATH USER:GROUP MODE TEXT: an atomic write; owner and mode come before the content. The new file's name follows
# from the old one's, so that the next script replaces the rest of a killed one. Starting processes is the most expensive
# part: the shell's own commands are used where they can be.
put() {
  folder=${1%/*} new=${1%/*}/.${1##*/}.phoenix-new
  save "$1" && { [ -d "$folder" ] || mkdir -p "$folder"; } || return 1
  if [ -e "$new" ] || [ -L "$new" ]; then rm -rf "$new" || return 1; fi
  [ "$3" = 0644 ] || umask 077
  printf '' >"$new"
  umask 022
  if own "$2" "$3" "$new" && fill "$new" "$4" && mv -fT "$new" "$1"
  then echo "$1" >>"$work/written"; else rm -f "$new"; return 1; fi
}
fill() { printf %s "$2" >"$1" 2>/dev/null || printf %s "$2" | cat >"$1"; } # cat says why it cannot be written
own() {
  [ "$1" = root:root ] || chown "$1" "$3" || return 1
  case $2 in 0600 | 0644) ;; *) chmod "$2" "$3" ;; esac
}

# keep PATH: copies what Phoenix did not write, before it is replaced or removed; earlier copies stay.
keep() {
  copy=$replaced$1
  { [ -d "$replaced" ] || mkdir -p "$replaced"; } && chmod 700 "$replaced" || return 1
  while [ -e "$copy" ] || [ -L "$copy" ]; do copy=$copy~; done
  mkdir -p "${copy%/*}" && cp -a "$1" "$copy"
}
# discard PATH: removes a file, and keeps a copy unless Phoenix wrote it.
discard() {
  grep -qsF "$made" "$1" || keep "$1" || return 1
  save "$1" && rm -rf "$1"
}

# settle: makes the written files survive a power loss, once for all at the end. A loss before that leaves an old file
# or at worst an empty one, which the next run replaces, because it compares contents.
settle() {
  [ -e "$work/written" ] || return 0
  set --
  while read -r path; do [ ! -f "$path" ] || set -- "$@" "$path"; done <"$work/written"
  [ $# = 0 ] || sync "$@"
}

# sound CHECK: restores the files just written if the check by their own program fails.
sound() {
  if timeout 30 sh -c "$1"; then return 0; fi
  restore
  fail "the new files were refused by: $1 (the old ones are back)"
}

# answers PROBE TELL: waits up to 15 s for the daemon to answer; if it does not, restores the files and tells it again.
answers() {
  tries=0
  while [ $tries -lt 75 ]; do
    if timeout 5 sh -c "$1" >"$work/probe" 2>&1; then return 0; fi
    tries=$((tries + 1)); sleep 0.2
  done
  tail -n 3 "$work/probe"
  restore
  timeout 60 sh -c "$2"
  fail "no answer to: $1 (the old files are back)"
}

# finish: prints the notes, and that the script ran to its end.
finish() {
  [ ! -e "$work/notes" ] || sed 's/^/@note|/' "$work/notes"
  printf '@done\n'
}

start_unit() {
  systemctl reset-failed "$1" 2>/dev/null
  timeout 120 systemctl start "$1" && return 0
  timeout 10 journalctl -u "$1" -n 5 --no-pager -o cat
  fail "$1 did not start"
}
restart_unit() {
  systemctl reset-failed "$1" 2>/dev/null
  timeout 120 systemctl restart "$1" && return 0
  timeout 10 journalctl -u "$1" -n 5 --no-pager -o cat
  restore
  timeout 120 systemctl restart "$1"
  fail "$1 did not start again"
}

# start_timers UNIT...: systemd may remember that there is no such unit, from one of the same name that was removed.
start_timers() {
  timeout 120 systemctl restart "$@" || { systemctl daemon-reload && timeout 120 systemctl restart "$@"; }
}

# note TEXT: tells the operator something that is no failure.
note() { printf '%s\n' "$1" >>"$work/notes"; }

# update_packages: reads the package lists anew. A source that fails (no subscription, no such release) does not matter if
# the others have the packages, so it is only named.
update_packages() {
  $apt update >"$work/update" 2>&1
  cat "$work/update"
  failed=$(sed -n -e 's/^[EW]: Failed to fetch //p' -e 's/^[EW]: \(The repository .*\)/\1/p' "$work/update" | paste -sd ';')
  sources="these package sources failed, correct or remove them in /etc/apt: $failed"
  [ -z "$failed" ] || note "$sources"
}

# install_packages NAME...: does not start services of new packages, because they are not set up yet. Finishes an
# interrupted installation first.
install_packages() {
  policy=/usr/sbin/policy-rc.d
  ours=
  if [ ! -e $policy ] || grep -qF "$policy_mark" $policy; then
    ours=yes
    printf '#!/bin/sh\n# %s for the time of an installation\nexit 101\n' "$policy_mark" >$policy && chmod 755 $policy
  fi
  apt="timeout 300 apt-get -y -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Acquire::Retries=2 -o Acquire::http::Timeout=15"
  { ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 && $apt install --no-install-recommends "$@"; } || {
    timeout 300 dpkg --force-confold --configure -a
    update_packages
    $apt install --no-install-recommends "$@" || { [ -z "$failed" ] || echo "$sources"; false; }
  }
  status=$?
  [ -z "$ours" ] || rm -f $policy
  return $status
}
