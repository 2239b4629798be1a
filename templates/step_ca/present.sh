# Prints which directories and non-empty files of the CA's state there are.
#   state: directory of the state; parts: the names to look for
: "${state:?}" "${parts:?}"
cd "$state" || exit 1
for part in $parts; do
  if [ -d "$part" ] || [ -s "$part" ]; then echo "$part"; fi
done
