# hold_ports TABLE SECONDS PORT...: drops new connections from elsewhere to the ports, so that their senders ask again.
# The nftables table of that name does it. A port is removed from its set after the seconds, or before that by the caller.
hold_ports() {
  table=$1 seconds=$2 elements=
  shift 2
  for port; do elements="$elements${elements:+, }$port timeout ${seconds}s"; done
  nft -f - <<RULES
table inet $table
delete table inet $table
table inet $table {
  set held {
    type inet_service
    flags timeout
    elements = { $elements }
  }
  chain input {
    type filter hook input priority -10
    iifname != "lo" tcp flags & (syn | ack) == syn tcp dport @held counter drop
  }
}
RULES
}
