# Prints the listeners on some ports, one a line, and the unit of each program that has one of them.
#   ports: a list of numbers
: "${ports:?}"
filter=
for port in $ports; do filter="${filter:+$filter or }sport = :$port"; done
listeners=$(ss -Hlntup "( $filter )")
[ -n "$listeners" ] || exit 0
printf '%s\n' "$listeners" | sed 's/^/listener /'
for pid in $(printf '%s\n' "$listeners" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
  printf 'unit %s %s\n' "$pid" "$(ps -o unit= -p "$pid")"
done
