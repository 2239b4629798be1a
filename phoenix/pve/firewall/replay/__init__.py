"""Recorded verdicts of Proxmox's own firewall simulator, compared with the model's."""
