# Shell functions for the resolver settings of a guest.
#   file: resolv.conf; resolved: the file of systemd-resolved that lists the servers which it asks, where resolv.conf leads
#   to its stub (systemd-resolved.service(8)); lines: the settings
: "${file:?}" "${resolved:?}" "${lines:?}"

# Prints the settings without comments.
read_resolver() {
  case $(readlink -f "$file") in
    /run/systemd/resolve/*) settings=$resolved ;;
    *) settings=$file ;;
  esac
  grep -v -e '^[#;]' -e '^ *$' "$settings"
}

# Writes the settings as Proxmox does.
write_resolver() {
  printf '# --- BEGIN PVE ---\n%s\n# --- END PVE ---\n' "$lines" >"$file.phoenix-new" && mv -fT "$file.phoenix-new" "$file"
}
