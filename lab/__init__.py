"""The embedded lab: a small hypervisor with a Proxmox API and real guests, started by runbooks/lab.py.

`phoenix` and `tasks` never import it: they connect to it as to any hypervisor. `start` and `stop` are the entry points;
`images` builds what the lab runs from, `machine` runs the hypervisor's container, `pve` and `internet` run inside it,
`standins` run in its guests.
"""
