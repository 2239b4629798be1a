# Prints what preflight compares of every guest of the cluster: the current settings, without snapshots and pending ones.
#   configs: directory of the cluster's configuration, /etc/pve
: "${configs:?}"
for file in "$configs"/nodes/*/lxc/*.conf "$configs"/nodes/*/qemu-server/*.conf; do
  [ -f "$file" ] || continue
  echo "guest ${file#"$configs"/nodes/}"
  sed -nE '/^\[/q; /^#.*<!-- phoenix owner=/p; /^(hostname|name|template|unprivileged|rootfs|(net|ipconfig|mp|scsi|virtio|sata|ide)[0-9]+):/p' "$file"
done
