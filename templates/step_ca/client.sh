# How programs in the CA's guest ask the CA as its token provisioner: as_step runs a command as the CA's own user, and
# $password is the file with the password of the key that signs tokens now.
#   state, user: directory of the CA's state, and its owner; key_id: id of that key, empty if it is not known
: "${state:?}" "${user:?}" "${key_id?}"
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
as_step() { setpriv --reuid="$user" --regid="$user" --clear-groups env HOME="$state" STEPPATH="$state" "$@"; }
# The file of a new key's password has the key's id in its name, until the change of keys is settled.
password=$state/secrets/provisioner_password
[ ! -e "${password}_$key_id" ] || password=${password}_$key_id
