# Prints which certificates an issuer did not sign.
#   issuer: its certificate in PEM; leaves: files with certificates
: "${issuer:?}" "${leaves:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
file=$(mktemp) && printf '%s\n' "$issuer" >"$file" || exit 1
for leaf in $leaves; do
  openssl verify -partial_chain -trusted "$file" "$leaf" >/dev/null 2>&1 || echo "$leaf"
done
rm -f "$file"
