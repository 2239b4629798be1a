"""What Proxmox VE means by its spellings: pure knowledge, no connection."""
