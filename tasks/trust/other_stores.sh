# Shell functions for trust stores beside the system's own. `find_stores` prints which there are and what they hold of
# ours, one a line; the others bring one store to the anchors that are wanted, words ALIAS=FILE.
#   java, nss, python, node: patterns of the paths where stores, or programs with a store, are looked for
: "${java:?}" "${nss:?}" "${python:?}" "${node:?}"
java_record() { printf '/var/lib/phoenix/java/%s' "$(printf %s "$1" | tr / _)"; }

find_stores() {
  for f in $java; do
    if [ -f "$f" ] && [ ! -L "$f" ] && java_tool "$f"; then
      record=$(java_record "$f")
      printf 'java|%s|%s\n' "$f" "$(sha256sum --status -c "$record" && sed -n 's/^# //p' "$record" || echo '?')"
    fi
  done
  for f in $nss; do
    if [ -f "$f" ]; then printf 'nss|%s|%s\n' "${f%/*}" "$(nss_holds "${f%/*}" || echo '?')"; fi
  done
  for f in $python; do
    if [ -f "$f" ] && [ ! -L "$f" ]; then echo "python|$f|"; break; fi
  done
  for f in $node; do
    if [ -x "$f" ]; then echo "node|$f|"; break; fi
  done
}

java_tool() {
  for keytool in "${1%/lib/security/cacerts}/bin/keytool" "${1%/jre/lib/security/cacerts}/bin/keytool" \
    /usr/bin/keytool; do
    [ ! -x "$keytool" ] || return 0
  done
  return 1
}

# serve_java CACERTS ANCHOR...: notes in a record what the store holds, because keytool takes a second to list it. The
# password is Java's own well-known one, and no secret.
serve_java() {
  cacerts=$1 names=''
  shift
  java_tool "$cacerts" || return 1
  in_java() { timeout 60 "$keytool" "$@" -keystore "$cacerts" -storepass changeit -noprompt; }
  for held in $(in_java -list | sed -n 's/^\(phoenix_ca_[0-9a-f]*\),.*/\1/p'); do
    in_java -delete -alias "$held" || return 1
  done
  for anchor; do
    in_java -importcert -alias "${anchor%%=*}" -file "${anchor#*=}" || return 1
    names="$names ${anchor%%=*}"
  done
  record=$(java_record "$cacerts")
  mkdir -p "${record%/*}" && { echo "#$names" && sha256sum "$cacerts"; } >"$record"
}

# NSS knows certificates of the same subject, such as two roots of a rotation, by the same nickname only.
nss_names() { timeout 10 certutil -L -d "sql:$1" | sed -n 's/^\(phoenix_ca_[0-9a-f]*\) .*/\1/p' | sort -u; }

# An anchor counts only with its trust: a database that is locked by a password accepts the anchor and refuses the trust.
nss_holds() {
  command -v certutil >/dev/null || return 1
  ! timeout 10 certutil -L -d "sql:$1" | sed -n '/^phoenix_ca_/p' | grep -qv ' C,, *$' || return 1
  for name in $(nss_names "$1"); do
    timeout 10 certutil -L -d "sql:$1" -n "$name" -a |
      awk -v tell='openssl x509 -noout -fingerprint -sha256' '{ print | tell } /END CERT/ { close(tell) }'
  done | tr -d : | tr A-F a-f | sed -n 's/.*=\(........\).*/phoenix_ca_\1/p' | tr '\n' ' '
}

# serve_nss DATABASE ANCHOR...
serve_nss() {
  database=sql:$1
  command -v certutil >/dev/null || install_packages libnss3-tools || return 1
  for name in $(nss_names "$1"); do
    while timeout 10 certutil -D -d "$database" -n "$name" 2>/dev/null; do :; done
  done
  shift
  for anchor; do
    name=phoenix_ca_$(openssl x509 -noout -subject_hash -in "${anchor#*=}") || return 1
    add="certutil -A -d $database -n $name -t C,, -i ${anchor#*=}"
    # shellcheck disable=SC2086 # a command line without quotes, which is also shown
    timeout 10 $add || {
      timeout 10 certutil -D -d "$database" -n "$name"
      fail "if ${database#sql:} is locked by a password, its owner must run: $add"
      return 1
    }
  done
}
