# Creates the next key of the token provisioner, with a password of its own, and moves it to its place when it is complete.
#   state, user: directory of the CA's state, and its owner
: "${state:?}" "${user:?}"
cd "$state" || exit 1
umask 077
rm -rf .provisioner.next && mkdir .provisioner.next || exit 1
head -c 33 /dev/urandom | base64 -w0 >.provisioner.next/password || exit 1
step crypto jwk create .provisioner.next/key.pub .provisioner.next/key.priv --kty EC --curve P-256 --use sig \
  --password-file .provisioner.next/password --force || exit 1
chown -R "$user:$user" .provisioner.next && sync -f .provisioner.next && mv -T .provisioner.next provisioner.next
