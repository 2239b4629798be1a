# Shell functions of the script for a controller's probes: one line per result, which observe.py parses.
print_contents() {
  for file; do [ ! -f "$file" ] || printf '@content|%s|%s\n' "$(base64 -w0 <"$file")" "$file"; done
}

# print_listing PATTERN PATH...: the shell passes a pattern that matches no path unchanged.
print_listing() {
  pattern=$1
  shift
  for path; do if [ -e "$path" ] || [ -L "$path" ]; then printf '@listing|%s|%s\n' "$pattern" "$path"; fi; done
}
