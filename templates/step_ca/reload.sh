#!/bin/sh
# Makes step-ca, whose process is $1, read its settings, and waits until it has: it creates itself a new certificate then.
# If it refuses the settings, it continues with the old ones and says so in its log only.
#   port: the CA's
: "${port:?}"
served() {
  timeout 5 openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256
}
before=$(served 2>/dev/null)
kill -HUP "$1" || exit 1
tries=0
while [ $tries -lt 50 ]; do
  now=$(served 2>/dev/null)
  [ -z "$now" ] || [ "$now" = "$before" ] || exit 0
  tries=$((tries + 1))
  sleep 0.2
done
echo 'step-ca did not take its new settings'
exit 1
