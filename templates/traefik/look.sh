# Prints the names and the certificates of Traefik's storage, and no key. Traefik writes the file in place: a full disk or
# a power loss leaves a part of it.
#   storage: the file; torn: what to print if the end of the file is missing
: "${storage:?}" "${torn:?}"
grep -E '"(main|certificate)": ' "$storage"
[ ! -s "$storage" ] || [ "$(tail -n 1 "$storage")" = '}' ] || echo "$torn"
