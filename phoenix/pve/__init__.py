"""Knowledge of Proxmox VE: API paths, privileges, property strings and the firewall. Pure: it opens no connection."""
