# Prints the network settings of every guest of the cluster: the current ones, without snapshots and pending changes.
#   configs: directory of the cluster's configuration, /etc/pve
: "${configs:?}"
for file in "$configs"/nodes/*/lxc/*.conf "$configs"/nodes/*/qemu-server/*.conf; do
  [ -f "$file" ] || continue
  echo "guest ${file#"$configs"/nodes/}"
  sed -nE '/^\[/q; /^(hostname|name|template|net[0-9]+|ipconfig[0-9]+):/p' "$file"
done
