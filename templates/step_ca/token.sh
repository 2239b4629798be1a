# Prints a one-time token.
#   subject: name that it is for; provisioner, ca_url, root; `client.sh` comes before this program
: "${subject:?}" "${provisioner:?}" "${ca_url:?}" "${root:?}" "${password:?}"
as_step step ca token "$subject" --provisioner "$provisioner" --provisioner-password-file "$password" \
  --ca-url "$ca_url" --root "$root"
