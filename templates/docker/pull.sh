# Pulls images at the same time; fails if one of them cannot be pulled.
#   images: a list of words
: "${images:?}"
pulls=''
failed=''
for image in $images; do timeout 300 docker pull --quiet "$image" & pulls="$pulls $!"; done
for pull in $pulls; do wait "$pull" || failed=yes; done
[ -z "$failed" ]
