# Creates the CA's state in .init and moves it to its place when it is complete. If it is killed, the next run starts over
# or continues the move: half a state never looks complete.
#   state: directory of the state; user: its owner; unit: the CA's; name: the CA's name
#   names, port, url: DNS names and addresses of the CA, its port, and its own URL; provisioner: the one for tokens
#   root_template, intermediate_template, root_life, intermediate_life: of the certificates
: "${state:?}" "${user:?}" "${unit:?}" "${name:?}" "${names:?}" "${port:?}" "${url:?}" "${provisioner:?}"
: "${root_template:?}" "${intermediate_template:?}" "${root_life:?}" "${intermediate_life:?}"
cd "$state" || exit 1
umask 077
as_step() {
  setpriv --reuid="$user" --regid="$user" --clear-groups env HOME="$state" STEPPATH="$state/.init" "$@"
}

# Archives a state that was given up. Its settings go first, so that the CA cannot start with a part of it.
archive() {
  archive=archive-$(cat .reset)
  mkdir -p ".$archive" || exit 1
  for part in config certs secrets db templates next previous provisioner.next .init .next .restore phoenix_ca*.crt; do
    [ ! -e "$part" ] || mv -T "$part" ".$archive/${part#.}" || exit 1
  done
  rmdir ".$archive" 2>/dev/null || mv -T ".$archive" "$archive" || exit 1
  rm -f .reset
}

create() {
  rm -rf .init && mkdir .init .init/certs .init/secrets .init/templates && chown -R "$user:$user" .init
  for file in password provisioner_password; do
    head -c 33 /dev/urandom | base64 -w0 >.init/secrets/$file && chown "$user:$user" .init/secrets/$file || exit 1
  done
  printf %s "$root_template" >.init/templates/root.tpl
  printf %s "$intermediate_template" >.init/templates/intermediate.tpl
  chown -R "$user:$user" .init/templates
  as_step step certificate create "$name Root CA" .init/root.crt .init/root.key \
    --template .init/templates/root.tpl --kty EC --curve P-256 --not-after "$root_life" \
    --password-file .init/secrets/password --force || exit 1
  set --
  for dns in $names; do set -- "$@" --dns "$dns"; done
  as_step step ca init --deployment-type standalone --name "$name" "$@" \
    --address ":$port" --with-ca-url "$url" --provisioner "$provisioner" --acme \
    --root .init/root.crt --key .init/root.key --key-password-file .init/secrets/password \
    --password-file .init/secrets/password --provisioner-password-file .init/secrets/provisioner_password || exit 1
  as_step step certificate create "$name Intermediate CA" \
    .init/certs/intermediate_ca.crt .init/secrets/intermediate_ca_key \
    --template .init/templates/intermediate.tpl --kty EC --curve P-256 --not-after "$intermediate_life" \
    --ca .init/root.crt --ca-key .init/root.key --ca-password-file .init/secrets/password \
    --password-file .init/secrets/password --force || exit 1
  mv -f .init/root.crt .init/certs/root_ca.crt && mv -f .init/root.key .init/secrets/root_ca_key || exit 1
  sed -i "s#$state/.init#$state#g" .init/config/ca.json && rm -rf .init/config/defaults.json .init/templates || exit 1
  sync -f .init && touch .init/complete && sync -f .init || exit 1
}

# A CA that runs has no state, or one that was given up. It is started when there is a state.
systemctl stop "$unit" 2>/dev/null
[ ! -s .reset ] || archive
[ -e .init/complete ] || [ -s config/ca.json ] || create
for part in certs secrets db next previous provisioner.next config; do
  [ ! -e .init/$part ] || mv -T .init/$part $part || exit 1
done
rm -rf .init
