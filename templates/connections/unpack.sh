# Unpacks a gzip file from standard input to a path, atomically.
#   path, mode, mtime: of the file; mtime in seconds since the epoch
: "${path:?}" "${mode:?}" "${mtime:?}"
new=$path.phoenix-new
{ mkdir -p "$(dirname "$path")" && gzip -dc >"$new" && chmod "$mode" "$new" && touch -d "@$mtime" "$new" &&
  mv -fT "$new" "$path"; } || { rm -f "$new"; exit 1; }
