# Prints every file below the CA's state that holds the private key of this public half.
#   state: directory of the CA's state; public: the public half, in PEM
: "${state:?}" "${public:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$state" || exit 1
find . -type f -size -64k ! -path './db/*' ! -path './archive-*/db/*' | while IFS= read -r file; do
  for password in secrets/password archive-*/secrets/password; do
    [ -e "$password" ] || continue
    [ "$(openssl pkey -in "$file" -passin "file:$password" -pubout 2>/dev/null)" != "$public" ] || echo "$file"
  done
done
