# Shell functions that edit and watch the mesh's certificates in a script of changes.
#   storage, config, unit: Traefik's storage, its configuration and its unit
#   spare: seconds that a good certificate must have left; issuer: the current issuer in PEM, empty if it is not known
#   work: the script's temporary directory
: "${storage:?}" "${config:?}" "${unit:?}" "${spare:?}" "${issuer?}" "${work:?}"

# forget NAMES [account]: removes certificates, and the account with the CA, from the storage.
forget() {
  { systemctl stop "$unit" && awk -v drop=" $1 " -v account="${2-}" '
    account && /^    "Account": \{/ { print "    \"Account\": null,"; skip = 1; next }
    skip { if (/^    }/) skip = 0; next }
    /^    "Certificates": \[/ { print; inside = 1; n = 0; next }
    inside && /^    \]/ {
      for (i = 1; i <= n; i++) { sub(/,$/, "", kept[i]); printf "%s%s\n", kept[i], (i < n ? "," : "") }
      inside = 0; print; next
    }
    inside {
      if ($0 ~ /^      {/) { block = $0; name = "" } else block = block "\n" $0
      if ($1 == "\"main\":") { name = $2; gsub(/[",]/, "", name) }
      if ($0 ~ /^      }/ && index(drop, " " name " ") == 0) kept[++n] = block
      next
    }
    { print }
  ' "$storage" >"$storage.new" && chmod 600 "$storage.new" && chown --reference="$storage" "$storage.new" &&
    mv -fT "$storage.new" "$storage"; } || { systemctl start "$unit"; fail "$storage could not be edited"; return 1; }
  start_unit "$unit"
}

# good NAME: true if its certificate is by the current issuer, if that is known, not about to end, and none of the old ones.
good() {
  sed -n "/\"main\": *\"$1\"/,/\"certificate\":/s/^ *\"certificate\": *\"\(.*\)\".*/\1/p" \
    "$storage" >"$work/stored" && [ -s "$work/stored" ] && ! grep -sqFf "$work/stored" "$work/old" || return 1
  base64 -d <"$work/stored" >"$work/leaf" || return 1
  openssl x509 -in "$work/leaf" -noout -checkend "$spare" || return 1
  [ ! -s "$work/issuer" ] || openssl verify -partial_chain -trusted "$work/issuer" "$work/leaf"
} >/dev/null 2>&1

# await NAME...: waits until each has a good certificate; an account that the CA does not know is created again.
await() {
  began=$(date +%s)
  forgotten=
  while [ $(($(date +%s) - began)) -lt 60 ]; do
    lacking=
    for name; do good "$name" || lacking="$lacking $name"; done
    [ -n "$lacking" ] || return 0
    sleep 0.3
    if [ -z "$forgotten" ] && [ $(($(date +%s) - began)) -ge 5 ]; then
      forgotten=asked
      running=traefik-$(systemctl show --property=InvocationID --value "$unit").service
      if journalctl -q -u "$running" -g accountDoesNotExist -n 1 | grep -q .; then
        forget "" account || return 1
      fi
    fi
  done
  journalctl -u 'traefik*' -n 40 --no-pager -o cat | grep -i acme | tail -n 2
  fail "no certificate by ACME within 60 s for$lacking"
}

# renew_all NAME...: restarts Traefik with a setting by which it renews all that end within 120 days. It serves the old
# ones meanwhile.
renew_all() {
  grep '"certificate":' "$storage" >"$work/old"
  cp -a "$config" "$work/usual" && sed -i 's/certificatesDuration: .*/certificatesDuration: 8760/' "$config" || return 1
  restart_unit "$unit" && await "$@"
  renewed=$?
  cp -a "$work/usual" "$config.new" && mv -fT "$config.new" "$config" && restart_unit "$unit" && return $renewed
}

printf %s "$issuer" >"$work/issuer"
