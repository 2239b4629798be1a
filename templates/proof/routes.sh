# Asks for routes, all at the same time, and prints those that do not answer in time.
#   limit: seconds to wait; anchors: file with the roots to trust
#   routes: lines `NAME ADDRESS PATH STATUS KIND`: the address to connect to, a pattern of good HTTP statuses, web or grpc
: "${limit:?}" "${anchors:?}" "${routes?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
end=$(($(date +%s) + limit))
# An empty message, as gRPC frames it.
empty=$(mktemp) && printf '\0\0\0\0\0' >"$empty"

# ask NAME ADDRESS PATH STATUS KIND
ask() {
  name=$1 address=$2 path=$3 good=$4 kind=$5 seconds=1
  set --
  [ "$kind" = web ] || set -- --http2 -H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary "@$empty"
  while :; do
    code=$(curl -sS -o /dev/null -w '%{http_code}' --max-time $seconds --cacert "$anchors" "$@" \
      --connect-to "::$address:443" "https://$name$path" 2>&1)
    if echo "$code" | grep -Eqx "$good"; then return 0; fi
    [ "$(date +%s)" -lt $end ] || { echo "$name by $address: $code"; return 1; }
    [ $seconds -ge 8 ] || seconds=$((seconds * 2))
    sleep 0.2
  done
}

while read -r name address path good kind; do
  [ -z "$name" ] || ask "$name" "$address" "$path" "$good" "$kind" &
done <<END
$routes
END
wait
rm -f "$empty"
