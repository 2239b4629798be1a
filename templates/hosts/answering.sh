# Asks by ARP, all at once, which addresses are in use, and prints those that answer with their MAC addresses. Earlier
# answers are forgotten first: a guest that was just removed would still be known.
#   addresses: a list; limit: seconds to wait
: "${addresses:?}" "${limit:?}"
for address in $addresses; do
  ip -4 neigh flush to "$address" 2>/dev/null
  ping -n -q -c 1 -W "$limit" "$address" >/dev/null 2>&1 &
done
wait
for address in $addresses; do ip -4 neigh show to "$address" nud reachable; done
