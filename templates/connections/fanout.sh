# Runs scripts in containers, several at a time, and prints the output, the errors and the exit status of each: after a
# line `MARK VMID.out`, `MARK VMID.err` or `MARK VMID.status`.
#   scripts: their texts, each after a line `MARK FILE`; jobs: words VMID=FILE; mark: a word that is in no script
#   limit: seconds for each; workers: how many at a time; program: the text of `attach.sh`
: "${scripts:?}" "${jobs:?}" "${mark:?}" "${limit:?}" "${workers:?}" "${program:?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin limit
work=$(mktemp -d /run/phoenix-fanout.XXXXXXXX) || exit 1
export work
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
printf %s "$scripts" | awk -v mark="$mark" '$1 == mark { if (file) close(file); file = $2; next } { print >file }'
# shellcheck disable=SC2086 # a list of words
printf '%s\n' $jobs | xargs -P "$workers" -n 1 sh -c "$program" sh
awk -v mark="$mark" 'FNR == 1 { print mark " " FILENAME } { print }' [0-9]*.*
