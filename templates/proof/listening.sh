# Prints the kernel's tables of TCP sockets of this host.
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
