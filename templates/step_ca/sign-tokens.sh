# Signs the texts of one-time tokens and prints the signatures as `openssl dgst -hex` does, in the order of the texts. The
# key is decrypted once, into a variable; it is never in a file or an argument.
#   texts: a list of words; at_once: how many to sign at the same time; key_id, ca_url, root: see `client.sh`, which comes
#   before this program
: "${texts:?}" "${at_once:?}" "${key_id:?}" "${ca_url:?}" "${root:?}" "${password:?}"
key=$(as_step step ca provisioner jwe-key --ca-url "$ca_url" --root "$root" -- "$key_id" |
  as_step step crypto jwe decrypt --password-file "$password" |
  as_step step crypto key format --pem --no-password --insecure) && [ -n "$key" ] || exit 1
work=$(mktemp -d /run/phoenix-tokens.XXXXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT

# sign_share NUMBER: signs the texts whose number leaves this remainder.
sign_share() {
  number=0
  for text in $texts; do
    number=$((number + 1))
    [ $((number % at_once)) = "$1" ] || continue
    printf %s "$text" >"$work/$number" || return 1
    printf '%s\n' "$key" | openssl dgst -sha256 -hex -sign /dev/stdin "$work/$number" >"$work/$number.signed"
  done
}

share=0
while [ $share -lt "$at_once" ]; do
  sign_share $share &
  share=$((share + 1))
done
wait
number=0
for text in $texts; do
  number=$((number + 1))
  cat "$work/$number.signed"
done
