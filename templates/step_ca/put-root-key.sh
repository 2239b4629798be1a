# Puts the root's private key to its place, encrypted with the CA's own password.
#   root_key: the key in PEM; file: its place; password: file with the password; user: owner of the file
: "${root_key:?}" "${file:?}" "${password:?}" "${user:?}"
umask 077
printf '%s\n' "$root_key" | openssl pkcs8 -topk8 -v2 aes-256-cbc -passout "file:$password" -out "$file.new" &&
  chown "$user:$user" "$file.new" && mv -fT "$file.new" "$file"
