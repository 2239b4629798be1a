# restart_docker: restarts the engine. Containers keep running (live-restore), but their published ports refuse
# connections while the engine writes its rules again. New connections are dropped meanwhile, so that their senders ask
# again within a second. The rules expire by themselves, even if this script is killed.
restart_docker() {
  raw='iptables -w 5 -t raw'
  ports=$(iptables -w 5 -t nat -S DOCKER | sed -n 's/.* --dport \([0-9]*\) .*/\1/p' | sort -un)
  end=$(date -u -d '+30 seconds' +%FT%T)
  $raw -N PHOENIX-HOLD || $raw -F PHOENIX-HOLD
  for port in $ports; do
    $raw -A PHOENIX-HOLD -p tcp --syn --dport "$port" -m addrtype --dst-type LOCAL -m time --datestop "$end" -j DROP
  done
  for chain in PREROUTING OUTPUT; do $raw -I $chain -j PHOENIX-HOLD; done
  restart_unit docker.service
  status=$?
  for chain in PREROUTING OUTPUT; do while $raw -D $chain -j PHOENIX-HOLD; do :; done; done
  $raw -F PHOENIX-HOLD
  $raw -X PHOENIX-HOLD
  return $status
}
