# Archives the old certificates and keys, the keys encrypted as they are, and copies the next ones to the usual places.
# ca.json names the next ones meanwhile, so that the usual places are not read.
#   state, user: directory of the CA's state, and its owner
: "${state:?}" "${user:?}"
cd "$state" || exit 1
umask 077
if [ ! -e next/.archived ]; then
  rm -rf .previous && mkdir -p previous && mkdir .previous || exit 1
  cp -p certs/intermediate_ca.crt secrets/intermediate_ca_key .previous/ || exit 1
  if [ -e next/root_ca_key ]; then
    cp -p certs/root_ca.crt .previous/ || exit 1
    [ ! -e secrets/root_ca_key ] || cp -p secrets/root_ca_key .previous/ || exit 1
  fi
  chown -R "$user:$user" previous .previous && sync -f .previous || exit 1
  mv -T .previous "previous/$(date -u +%Y%m%dT%H%M%S)" && : >next/.archived || exit 1
fi
take() { [ ! -e "next/$1" ] || { cp -p "next/$1" "$2.new" && mv -fT "$2.new" "$2"; }; }
take root_ca.crt certs/root_ca.crt && take root_ca_key secrets/root_ca_key &&
  take intermediate_ca_key secrets/intermediate_ca_key && take intermediate_ca.crt certs/intermediate_ca.crt && sync -f certs
