# Shell functions that issue leaves in a script of changes: a key and a request for each leaf on this host, one connection
# to the CA for all, and each complete pair where its renewal program takes it from. No token is an argument of a
# process: curl reads its requests from standard input.
#   url: where the CA signs; bundle: file with the CA's roots; work: the script's temporary directory
: "${url:?}" "${bundle:?}" "${work:?}"

# request N FOLDER NAMES OWNER MODE: creates a key, closed to others from the beginning, and a request.
request() {
  echo "$1 $2" >>"$work/requests"
  # shellcheck disable=SC2174 # the directory above exists and has its own mode
  { [ ! -e "$2" ] || rm -rf "$2"; } && mkdir -p -m 700 "$2" && printf '' >"$2/crt" &&
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$2/key" -subj / \
      -addext "subjectAltName=$3" -out "$work/$1.csr" &&
    { [ "$4" = root:root ] || chown "$4" "$2/key" "$2/crt"; } &&
    { [ "$5" = 0600 ] || chmod "$5" "$2/key"; } && return 0
  while read -r _ folder; do rm -rf "$folder"; done <"$work/requests"
  return 1
}

# ask N TOKEN LIFETIME: prints one request as a curl configuration (a line of it ends in \\n there, in \n in JSON).
ask() {
  csr=
  while read -r line; do csr="$csr$line\\\\n"; done <"$work/$1.csr"
  [ "$1" = 1 ] || echo next
  printf 'silent\nshow-error\n'
  printf '%s = "%s"\n' url "$url" cacert "$bundle" capath /dev/null max-time 60 \
    header 'Content-Type: application/json' output "$work/$1.json" write-out "$1 %{http_code}\\n"
  printf 'data = "{\\"csr\\":\\"%s\\",\\"ott\\":\\"%s\\",\\"notAfter\\":\\"%s\\"}"\n' "$csr" "$2" "$3"
}

# answer N: prints the certificate with its intermediate, or why there is none.
answer() {
  status=
  while read -r n code; do [ "$n" != "$1" ] || status=$code; done <"$work/answers"
  case $status in
    201) sed -n '/certChain/{s/.*"certChain":\["\([^]]*\)"\].*/\1/;s/","//g;s/\\n$//;s/\\n/\n/g;p}' "$work/$1.json" ;;
    '' | 000) echo "the authority is unreachable: $(tail -n 1 "$work/silence")" >&2; return 1 ;;
    *) echo "the authority refused: $(sed 's/.*"message":"\([^"]*\)".*/\1/' "$work/$1.json")" >&2; return 1 ;;
  esac
}

# sign: sends the output of `ask`. A pair is marked as complete once it would survive a power loss.
sign() {
  timeout 300 curl --fail-early --config - >"$work/answers" 2>"$work/silence"
  set --
  while read -r number folder; do
    if answer "$number" >"$folder/crt" 2>"$work/$number.fault" && [ -s "$folder/crt" ]
    then set -- "$@" "$folder/key" "$folder/crt"; else rm -rf "$folder"; fi
  done <"$work/requests"
  [ $# = 0 ] || sync "$@" || return 1
  for file; do printf '' >"${file%/*}/complete"; done
}

# place N FOLDER PROGRAM: has the renewal program move a complete pair to its place and reload the service that uses it.
place() {
  [ -e "$2/complete" ] || { cat "$work/$1.fault"; return 1; }
  "$3" finish
}
