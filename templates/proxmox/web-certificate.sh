# Shell functions for the certificate of a node's web server.
#   address: of the web server; certificate, key: the leaf's files; custom: the file that the web server presents
#   leaf: what to print if the certificate is the leaf; unit: the one that hands the leaf over
: "${address:?}" "${certificate:?}" "${key:?}" "${custom:?}" "${leaf:?}" "${unit:?}"

fingerprint() { openssl x509 -noout -fingerprint -sha256 "$@"; }

# Prints whose certificate a new connection to the web server gets.
presented() {
  shown=$(timeout 5 openssl s_client -connect "$address" </dev/null 2>/dev/null | fingerprint 2>/dev/null)
  if [ -z "$shown" ]; then echo none
  elif [ "$shown" = "$(fingerprint -in "$certificate")" ]; then echo "$leaf"
  else echo another one; fi
}

# Hands the leaf over and waits until the web server presents it. A certificate of another is kept with its key.
hand_over() {
  if [ -e "$custom" ] && [ -z "$(kept)" ]; then keep "$custom" && keep "${custom%.pem}.key" || return 1; fi
  start_unit "$unit" || return 1
  tries=0
  while [ $tries -lt 50 ] && [ "$(presented)" != "$leaf" ]; do tries=$((tries + 1)); sleep 0.3; done
  [ $tries -lt 50 ] || fail 'the web server does not present its new certificate'
}

# Prints that the web server still has a certificate for the leaf's key.
kept() {
  [ -e "$key" ] && [ -e "$custom" ] || return 0
  [ "$(openssl x509 -in "$custom" -noout -pubkey)" != "$(openssl pkey -in "$key" -pubout)" ] || echo "$leaf"
}
