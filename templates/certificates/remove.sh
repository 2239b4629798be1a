# Removes leaves that the inventory no longer declares. The renewal programs go last: an interrupted run finds them again.
#   programs: renewal programs; timers: their timers; unit_files: files of their units; kept: files of declared leaves;
#   each is a list, one item a line
: "${programs:?}" "${timers:?}" "${unit_files:?}" "${kept?}"

# each ITEMS COMMAND...: runs a command with all items of a list as arguments.
each() {
  items=$1
  shift
  printf '%s\n' "$items" | xargs -d '\n' "$@"
}

# Prints the files of the renewal programs as their assignments name them: plain, or as Python's shlex.quote() quotes.
leaf_files() {
  each "$programs" sed -n 's/^crt=//p; s/^key=//p; s/^next=//p' | sed "s/^'\(.*\)'\$/\1/; s/'\"'\"'/'/g"
}

each "$timers" timeout 120 systemctl disable --quiet --no-reload --now
leaf_files | while IFS= read -r file; do
  printf '%s\n' "$kept" | grep -qxF -e "$file" || rm -rf "$file"
done
each "$unit_files" rm -f && systemctl daemon-reload && each "$programs" rm -f
