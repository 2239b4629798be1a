"""How Proxmox VE judges packets: a model of its firewall that needs no node. Pure."""
