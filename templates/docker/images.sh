# Prints the names and digests of the engine's images. A stopped engine is not asked, because its socket would start it:
# its own record of the images is read instead.
#   unit: of the engine
: "${unit:?}"
if systemctl is-active --quiet "$unit"; then
  docker image ls --format '{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}'
else
  cat /var/lib/docker/image/*/repositories.json | tr '{' , | tr , '\n' | sed -n 's/^"\([^"]*[:@][^"]*\)":"sha256:.*/\1/p'
fi
