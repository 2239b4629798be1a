# Registers the agents, trying again while Portainer does not take them.
#   register: the program that registers them
: "${register:?}"
for _ in 1 2 3 4 5 6 7 8 9 10; do timeout 90 "$register" && break; sleep 1; done
timeout 90 "$register" --check
