# Prints the name of each container with the estate that its label names; nothing while the engine does not run.
#   unit: of the engine; label: key of the label
: "${unit:?}" "${label:?}"
! systemctl is-active --quiet "$unit" || docker ps --all --format "{{.Names}} {{.Label \"$label\"}}"
