# Shell functions for the resolver settings of a host.
#   file: resolv.conf; lines: the settings, `search` before `nameserver`
#   resolved: the file of systemd-resolved that lists the servers which it asks, where resolv.conf leads to its stub
#   (systemd-resolved.service(8)); tailscale: the file in which Tailscale keeps the settings that it replaced and follows
: "${file:?}" "${resolved:?}" "${tailscale:?}" "${lines:?}"

# Prints the settings that count, whoever wrote them and in whichever order: one line of search domains, where the last
# line wins (resolv.conf(5)), then the servers. A forwarder on the host itself counts as the servers that it asks.
read_resolver() {
  case $(readlink -f "$file") in
    /run/systemd/resolve/*) read_settings "$resolved" ;;
    *) read_settings "$file" ;;
  esac
  case $servers in
    127.0.0.53 | 127.0.0.54) [ ! -r "$resolved" ] || read_settings "$resolved" ;;
    100.100.100.100) [ ! -r "$tailscale" ] || read_settings "$tailscale" ;;
  esac
  [ -z "$search" ] || echo "search $search"
  for server in $servers; do echo "nameserver $server"; done
}

# Sets search and servers from a file.
read_settings() {
  search='' servers=''
  while read -r key values || [ -n "$key" ]; do
    case $key in
      search | domain) search=$(domains "$values") ;;
      nameserver) servers="$servers${servers:+ }${values%%[[:space:]]*}" ;;
    esac
  done <"$1"
}

# Prints domains in lower case, without their final dots.
domains() {
  for domain in $1; do printf '%s\n' "${domain%.}"; done | tr '[:upper:]\n' '[:lower:] ' | sed 's/ $//'
}

# Writes the settings as Proxmox does.
write_resolver() {
  printf '# --- BEGIN PVE ---\n%s\n# --- END PVE ---\n' "$lines" >"$file.phoenix-new" && mv -fT "$file.phoenix-new" "$file"
}
