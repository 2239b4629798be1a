# Prints which of the host's trust stores do not trust a certificate's issuer.
#   issuer: the certificate in PEM; store, store_bundle: the system's store and its bundle; bundle: the estate's anchors
: "${issuer:?}" "${store:?}" "${store_bundle:?}" "${bundle:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
file=$(mktemp) && printf '%s\n' "$issuer" >"$file" || exit 1
lacking=
verify() { openssl verify -no-CAstore "$@" "$file" >/dev/null 2>&1; }
verify -no-CAfile -CApath "$store" || lacking="$lacking $store"
verify -no-CApath -CAfile "$store_bundle" || lacking="$lacking ${store_bundle##*/}"
verify -no-CApath -CAfile "$bundle" || lacking="$lacking $bundle"
rm -f "$file"
echo "$lacking"
