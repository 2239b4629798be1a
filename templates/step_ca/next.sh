# Creates the certificates and keys that are to sign next in .next, and moves them to `next` when they are complete.
#   kind: root or intermediate; root_key: PEM of a root's key that was taken offline, or empty
#   state, user, name, root_template, intermediate_template, root_life, intermediate_life: see `init.sh`
#   work: the script's temporary directory, in memory
: "${kind:?}" "${root_key?}" "${state:?}" "${user:?}" "${name:?}" "${work:?}"
: "${root_template:?}" "${intermediate_template:?}" "${root_life:?}" "${intermediate_life:?}"
cd "$state" || exit 1
umask 077
rm -rf .next /run/phoenix.*/root_key
mkdir .next && mkdir "$work/made" || exit 1
stamp=$(date -u '+%Y-%m-%d %H:%M')
if [ "$kind" = root ]; then
  printf %s "$root_template" >"$work/made/root.tpl"
  step certificate create "$name Root CA $stamp" .next/root_ca.crt .next/root_ca_key \
    --template "$work/made/root.tpl" --kty EC --curve P-256 --not-after "$root_life" \
    --password-file secrets/password --force || exit 1
  set -- --ca-key .next/root_ca_key --ca-password-file secrets/password
else
  cp certs/root_ca.crt .next/root_ca.crt || exit 1
  set -- --ca-key secrets/root_ca_key --ca-password-file secrets/password
fi
if [ -n "$root_key" ]; then
  # Here for this one signature, in memory.
  printf '%s\n' "$root_key" >"$work/root_key" || exit 1
  set -- --ca-key "$work/root_key"
fi
printf %s "$intermediate_template" >"$work/made/intermediate.tpl"
step certificate create "$name Intermediate CA $stamp" .next/intermediate_ca.crt .next/intermediate_ca_key \
  --template "$work/made/intermediate.tpl" --kty EC --curve P-256 --not-after "$intermediate_life" \
  --ca .next/root_ca.crt "$@" --password-file secrets/password --force
status=$?
rm -f "$work/root_key"
[ $status = 0 ] && openssl verify -CAfile .next/root_ca.crt .next/intermediate_ca.crt || exit 1
chown -R "$user:$user" .next && sync -f .next && mv -T .next next
