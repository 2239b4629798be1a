# Shell functions that every script run on a host begins with (POSIX sh).
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
export DEBIAN_FRONTEND=noninteractive
# One script at a time: that of a controller that was killed goes on to its end before the next one begins.
{ [ -d /run/lock ] || mkdir -p /run/lock; } && exec 9>/run/lock/phoenix && flock -w 240 9 || {
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
trap '' PIPE # a script goes on to its end, even if nobody listens any more

fail() { echo "$1"; return 1; }

# broke: ends the script, with what the failed step said, and puts back what belonged together with it.
broke() {
  restore >/dev/null 2>&1
  printf '@failed|%s\n' "$(tail -c 2000 "$work/log" | base64 -w0)"
  exit 90
}

# begin UNIT … commit: what put and save touch in between can be put back by restore. If this script is killed in
# between, the unit's mark tells the next run that files may have been written of which the unit was not told.
begin() {
  mark=/var/lib/phoenix/begun/$1
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
# from the old one's, so that what a script that was killed left behind is replaced by the next one. Starting a process
# costs more than all else here: what the shell can do itself, it does.
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

# settle: what was put outlives a loss of power. At the end, and once for all: a loss before it leaves the old file or,
# at worst, an empty one, which the next run replaces, because it compares contents; and every program starts anew.
settle() {
  [ -e "$work/written" ] || return 0
  set --
  while read -r path; do [ ! -f "$path" ] || set -- "$@" "$path"; done <"$work/written"
  [ $# = 0 ] || sync "$@"
}

# sound CHECK: the files just written are refused, and put back, if their own program refuses them.
sound() {
  if timeout 30 sh -c "$1"; then return 0; fi
  restore
  fail "the new files were refused by: $1 (the old ones are back)"
}

# answers PROBE TELL: waits up to 15 s for the daemon to answer; else puts the files back and tells it again.
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

# install_packages NAME...: services of new packages are not started; they are not set up yet. What an interrupted
# installation left behind is brought to its end first.
install_packages() {
  policy=/usr/sbin/policy-rc.d
  ours=
  if [ ! -e $policy ] || grep -q 'made by Phoenix' $policy; then
    ours=yes
    printf '#!/bin/sh\n# made by Phoenix for the time of an installation\nexit 101\n' >$policy && chmod 755 $policy
  fi
  apt="timeout 300 apt-get -y -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Acquire::Retries=2 -o Acquire::http::Timeout=15"
  { ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 && $apt install --no-install-recommends "$@"; } || {
    timeout 300 dpkg --force-confold --configure -a
    $apt update && $apt install --no-install-recommends "$@"
  }
  status=$?
  [ -z "$ours" ] || rm -f $policy
  return $status
}
