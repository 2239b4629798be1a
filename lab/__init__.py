"""The embedded lab: a small Proxmox-like hypervisor with real guests, started by runbooks/lab.py.

`phoenix` and `tasks` never import it: to them the lab is only another place to connect to.
"""
