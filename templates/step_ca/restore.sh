# Unpacks a backup beside the CA's state, verifies that its parts match, and marks it as complete; `init.sh` continues
# from there. If it is interrupted before that, nothing looks like a state, and the same command starts over.
#   state, user: directory of the CA's state, and its owner; content: the archive in base64
: "${state:?}" "${user:?}" "${content:?}"
cd "$state" || exit 1
umask 077
for part in certs secrets config db; do
  [ ! -e $part ] || [ -z "$(find $part -type f -print -quit)" ] || { echo "$state/$part is in the way: move it away"; exit 1; }
done
rm -rf .restore .init && mkdir .restore || exit 1
printf %s "$content" | base64 -d | tar --extract --gzip --no-same-owner --directory .restore || {
  echo 'the backup cannot be unpacked'; rm -rf .restore; exit 1
}
public_of_key() { openssl pkey -in ".restore/$1" -passin file:.restore/secrets/password -pubout; }
public_of_certificate() { openssl x509 -in ".restore/$1" -noout -pubkey; }
if [ "$(public_of_key secrets/intermediate_ca_key)" != "$(public_of_certificate certs/intermediate_ca.crt)" ] ||
  [ ! -s .restore/config/ca.json ] ||
  ! openssl verify -CAfile .restore/certs/root_ca.crt .restore/certs/intermediate_ca.crt; then
  rm -rf .restore; echo 'the backup is not a complete, intact state of a CA'; exit 1
fi
chown -R "$user:$user" .restore && sync -f .restore && touch .restore/complete && sync -f .restore &&
  mv -T .restore .init
