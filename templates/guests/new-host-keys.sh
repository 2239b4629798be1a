# Gives a container SSH host keys of its own in place of those that it shares with its template (ssh-keygen(1), -A).
[ -d /etc/ssh ] && command -v ssh-keygen >/dev/null || exit 0
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
ssh-keygen -A >/dev/null
for unit in ssh sshd; do
  if systemctl is-active --quiet "$unit.service"; then systemctl restart "$unit.service"; fi
done
