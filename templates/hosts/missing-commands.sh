# Prints which commands the host lacks.
#   commands: a list of words
: "${commands:?}"
for command in $commands; do command -v "$command" >/dev/null || echo "$command"; done
