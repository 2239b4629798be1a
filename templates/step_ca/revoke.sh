# Revokes a certificate: the CA does not renew it any more. The token is in the environment, never in an argument.
#   serial: number of the certificate; provisioner, ca_url, root; `client.sh` comes before this program
: "${serial:?}" "${provisioner:?}" "${ca_url:?}" "${root:?}" "${password:?}"
STEP_TOKEN=$(as_step step ca token "$serial" --revoke --provisioner "$provisioner" \
  --provisioner-password-file "$password" --ca-url "$ca_url" --root "$root") || exit 1
export STEP_TOKEN
timeout 30 step ca revoke "$serial" --ca-url "$ca_url" --root "$root"
