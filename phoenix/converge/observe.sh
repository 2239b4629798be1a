# Shell functions of the script that answers a controller's probes, one line an answer; observe.py reads them.
print_contents() {
  for file; do [ ! -f "$file" ] || printf '@content|%s|%s\n' "$(base64 -w0 <"$file")" "$file"; done
}

# print_listing PATTERN PATH...: the shell leaves a pattern that fits no path as it is.
print_listing() {
  pattern=$1
  shift
  for path; do if [ -e "$path" ] || [ -L "$path" ]; then printf '@listing|%s|%s\n' "$pattern" "$path"; fi; done
}
