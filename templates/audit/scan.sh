# Lists every certificate and private key of this host, one fact a line, the path last. It changes no file. Of a private
# key it prints only the SHA-256 of the public half.
#   roots, skipped: where to look, and which paths to leave out; xdev: `-xdev` to stay on one file system
#   store_size: a file with more certificates than this is listed as a store
#   units: whose state to print; endpoints: lines `NAME ADDRESS SERVER_NAME` of ports whose certificate to print
: "${roots:?}" "${skipped?}" "${xdev?}" "${store_size:?}" "${units?}" "${endpoints?}"
export LC_ALL=C
set -f # the paths are words, not patterns
pem='^-----BEGIN ([A-Z0-9 ]* )?(CERTIFICATE|PRIVATE KEY)-----'

# Replaces line breaks in names by question marks: the scan then reports such a file as unreadable.
named() { tr '\n\0' '?\n'; }

# files TEST...: prints the files below the roots that pass the tests of find(1), each ended by a zero byte.
files() {
  set -- -type d -name overlay2 ')' -prune -o -type f "$@" -print0
  for path in $skipped; do set -- -path "$path" -o "$@"; done
  # shellcheck disable=SC2086 # both are lists of words, and xdev may be empty
  find $roots $xdev '(' "$@" 2>/dev/null
}

# blocks FILE PATTERN NUMBER: prints the PEM block of that number whose first line matches; 0 prints all of them.
blocks() {
  awk -v begin="$2" -v wanted="$3" '
    /^-----BEGIN / { inside = $0 ~ begin && (++n == wanted || wanted == 0) }
    inside { sub(/\r$/, ""); print }
    /^-----END / { inside = 0 }' "$1"
}

print_key() { printf '@key|%s|%s|%s|%s\n' "$1" "$2" "$3" "$4"; }

# public FORM NUMBER: describes the private key on standard input.
public() {
  half=$(openssl pkey -inform "$1" -passin pass: -pubout 2>/dev/null) || return 1
  sum=$(printf '%s\n' "$half" | openssl pkey -pubin -outform DER | sha256sum)
  print_key "$2" plain "${sum%% *}" "$(printf '%s\n' "$half" | openssl pkey -pubin -noout -text | sed -n '
    s/^ASN1 OID: /oid /p; s/.*Public-Key: (\([0-9]*\) bit.*/bits \1/p
    s/^\([A-Z][A-Za-z0-9]*\) Public-Key:$/kind \1/p; s/^Modulus.*/kind RSA/p' | tr '\n' ' ')"
}

# secure_shell FILE NUMBER: describes a key of OpenSSH. ssh-keygen refuses a file that others can read, but not a pipe.
secure_shell() {
  if ! command -v ssh-keygen >/dev/null; then
    print_key "$2" plain - ssh
  elif half=$(blocks "$1" 'PRIVATE KEY' "$2" | ssh-keygen -y -P '' -f /dev/stdin 2>/dev/null); then
    sum=$(printf '%s\n' "$half" | cut -d' ' -f2 | base64 -d | sha256sum)
    kind=$(printf '%s\n' "$half" | ssh-keygen -l -f - | tr '|' ' ' | awk '{ print $1, $NF }')
    print_key "$2" plain "${sum%% *}" "ssh $kind"
  else
    print_key "$2" encrypted - ssh
  fi
}

keys() {
  n=0
  grep -E '^-----BEGIN ([A-Z0-9 ]* )?PRIVATE KEY-----' "$1" | while IFS= read -r first; do
    n=$((n + 1))
    if [ -z "${first##*OPENSSH*}" ]; then
      secure_shell "$1" $n
    elif blocks "$1" 'PRIVATE KEY' $n | grep -q ENCRYPTED; then
      print_key $n encrypted - -
    else
      blocks "$1" 'PRIVATE KEY' $n | public PEM $n || print_key $n broken - -
    fi
  done
}

print_file() {
  stat -c '@file|%a|%U:%G|%n' -- "$1" 2>/dev/null || printf '@file|0|-|%s\n' "$1"
  [ -f "$1" ] && [ -r "$1" ]
}

scan_pem() {
  print_file "$1" || { echo '@unreadable'; return; }
  count=$(grep -cE '^-----BEGIN ((X509|TRUSTED) )?CERTIFICATE-----' "$1")
  if [ "$count" -gt "$store_size" ]; then
    echo "@store|$count"
  elif [ "$count" -gt 0 ]; then
    echo "@certificates|$(blocks "$1" 'BEGIN (X509 |TRUSTED )?CERTIFICATE' 0 | base64 -w0)"
  fi
  keys "$1"
}

scan_der() {
  if openssl x509 -inform DER -in "$1" -noout 2>/dev/null; then
    print_file "$1" && echo "@certificates|$(openssl x509 -inform DER -in "$1" | base64 -w0)"
  elif key=$(public DER 1 <"$1"); then
    print_file "$1" && printf '%s\n' "$key"
  fi
}

# Traefik's storage: prints the certificates, which are public, and that there are keys.
scan_acme() {
  print_file "$1" || { echo '@unreadable'; return; }
  sed -n 's/^ *"PrivateKey": *".*/@held|account/p; s/^ *"main": *"\([^"|]*\)".*/@main|\1/p
          s/^ *"certificate": *"\([A-Za-z0-9+\/=]*\)".*/@encoded|\1/p; s/^ *"key": *".*/@held|certificate/p' "$1"
}

scan_container() { ! print_file "$1" || echo '@container'; }

# each COMMAND: runs it for every path on standard input.
each() { while IFS= read -r file; do [ -z "$file" ] || "$1" "$file"; done; }

# served NAME ADDRESS SERVER_NAME: prints the certificate that a port presents, or that it did not answer in time.
served() {
  answer=$(timeout 6 openssl s_client -connect "$2" -servername "$3" </dev/null 2>/dev/null)
  if [ $? -eq 124 ]; then
    printf '@silent|%s\n' "$1"
  else
    printf '@served|%s|%s\n' "$(printf '%s\n' "$answer" | openssl x509 -outform DER 2>/dev/null | base64 -w0)" "$1"
  fi
}

states() {
  # shellcheck disable=SC2086 # a list of words
  systemctl show --property=Id,ActiveState,Result -- $units 2>/dev/null | awk -F= '
    { value[$1] = $2 }
    /^$/ { print "@unit|" value["ActiveState"] "|" value["Result"] "|" value["Id"] }
    END { print "@unit|" value["ActiveState"] "|" value["Result"] "|" value["Id"] }'
}

scan() {
  texts=$(files -size -1025k ! -name '*.pyc' | xargs -0 -r grep -lZsE "$pem" 2>/dev/null | named)
  closed=$(files ! -readable '(' -name '*.pem' -o -name '*.crt' -o -name '*.key' -o -name '*.cer' -o -name '*.p8' ')' | named)
  printf '%s\n' "$texts" "$closed" | sort -u | each scan_pem
  files -size -65k '(' -name '*.der' -o -name '*.cer' -o -name '*.crt' -o -name '*.key' -o -name '*.p8' ')' |
    xargs -0 -r grep -LZsE -- '-----BEGIN ' | named | each scan_der
  files -name '*acme*.json' | xargs -0 -r grep -lZs '"Certificates"' | named | each scan_acme
  files '(' -name '*.p12' -o -name '*.pfx' -o -name '*.jks' -o -name '*.keystore' -o -name '*.bcfks' -o -name cacerts \
    -o -name 'cert[89].db' -o -name 'key[34].db' ')' | named | each scan_container
  [ -z "$texts" ] || printf '%s\n' "$texts" | grep -rIoFs -f - /etc --exclude-dir=certs 2>/dev/null | sort -u |
    sed 's/^\([^:|]*\):/@reader|\1|/'
  [ -z "$units" ] || states
  while read -r name address server_name; do
    [ -z "$name" ] || served "$name" "$address" "$server_name" &
  done <<END
$endpoints
END
  wait
  echo @end
}
scan </dev/null
