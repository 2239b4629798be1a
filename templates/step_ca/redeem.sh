# Ends with status 0 if the CA issues a certificate for a one-time token; the certificate is thrown away.
#   token, subject: the token, and the name that it is for; ca_url, root; `client.sh` comes before this program
: "${token:?}" "${subject:?}" "${ca_url:?}" "${root:?}"
export STEP_TOKEN="$token"
work=$(mktemp -d /run/phoenix.XXXXXXXX) || exit 0
timeout 30 step ca certificate "$subject" "$work/crt" "$work/key" --ca-url "$ca_url" --root "$root"
status=$?
rm -rf "$work"
exit $status
