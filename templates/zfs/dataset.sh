# Shell functions for a dataset.
#   name: of the dataset; owner: its user property KEY=VALUE; properties: lines KEY=VALUE, among them its mountpoint
: "${name:?}" "${owner:?}" "${properties:?}"

# show: prints the owner, or - without one, then the declared properties as they are; nothing if there is no dataset.
show() {
  value=$(zfs get -H -s local -o value "${owner%%=*}" "$name") || return 0
  echo "${value:--}"
  zfs get -H -o property,value "$(printf %s "$properties" | cut -d= -f1 | paste -sd ,)" "$name" | tr '\t' = | sort
}

# words COMMAND [OPTION]: runs a command of zfs with all properties and the owner, each behind the option if there is one.
words() {
  command=$1 option=${2:-}
  set --
  while IFS= read -r property; do set -- "$@" ${option:+"$option"} "$property"; done <<END
$properties
$owner
END
  case $command in create) zfs create -p "$@" "$name" ;; *) zfs set "$@" "$name" ;; esac
}
make() { words create -o; }
correct() { words set; }
