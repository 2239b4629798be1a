# Creates a dataset, or moves an existing one to its mount point.
#   name, mountpoint: of the dataset; properties: lines KEY=VALUE that a new one gets
: "${name:?}" "${mountpoint:?}" "${properties?}"
if zfs list -H "$name" >/dev/null 2>&1; then
  zfs set "mountpoint=$mountpoint" "$name"
else
  set -- -o "mountpoint=$mountpoint"
  while IFS= read -r property; do [ -z "$property" ] || set -- "$@" -o "$property"; done <<END
$properties
END
  zfs create -p "$@" "$name"
fi
