# Unpacks a gzip file from standard input to a path, atomically.
#   target, mode, mtime: path, mode and time of the file; the time is in seconds since the epoch
: "${target:?}" "${mode:?}" "${mtime:?}"
new=$target.phoenix-new
{ mkdir -p "$(dirname "$target")" && gzip -dc >"$new" && chmod "$mode" "$new" && touch -d "@$mtime" "$new" &&
  mv -fT "$new" "$target"; } || { rm -f "$new"; exit 1; }
