"""The model of Proxmox VE's firewall: configuration → chains of rules → the verdict on a packet."""
