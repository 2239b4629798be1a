# Makes requests, all at the same time and each once, and prints `KEY EXIT STATUS SECONDS` for each: curl's exit status,
# the HTTP status, and the seconds until TCP was connected (0 if it was not). Then prints `NAME ADDRESS` for each name.
#   seconds: for each request; anchors: file with the roots to trust, or root: one root in PEM to trust instead
#   requests: lines `KEY URL ADDRESS:PORT KIND`: the address to connect to; KIND is web or grpc
#   names: those to resolve as this host does; an address that is absent did not resolve
: "${seconds:?}" "${anchors?}" "${root?}" "${requests?}" "${names?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
work=$(mktemp -d /run/phoenix-routes.XXXXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
# An empty message, as gRPC frames it.
printf '\0\0\0\0\0' >"$work/empty"
[ -z "$root" ] || { printf '%s\n' "$root" >"$work/root" && anchors=$work/root; }

# request KEY URL ADDRESS:PORT KIND
request() {
  key=$1 url=$2 address=$3 kind=$4
  set -- -H 'X-Forwarded-Proto: https'
  [ "$kind" = web ] || {
    set -- -H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary "@$work/empty"
    case $url in https:*) set -- --http2 "$@" ;; *) set -- --http2-prior-knowledge "$@" ;; esac
  }
  answer=$(curl -s -o /dev/null -w '%{http_code} %{time_connect}' --max-time "$seconds" --cacert "$anchors" "$@" \
    --connect-to "::$address" "$url")
  echo "$key $? $answer"
}

while read -r key url address kind; do
  [ -z "$key" ] || request "$key" "$url" "$address" "$kind" &
done <<END
$requests
END
for name in $names; do
  echo "$name $(getent ahostsv4 "$name" | sed -n '1s/ .*//p')" &
done
wait
