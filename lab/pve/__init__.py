"""The embedded hypervisor from within: the Proxmox VE API with real guests behind it.

Runs inside the lab's outer container as ``python3 -m phoenix.lab.pve``. The way of a request:
``server`` (fakepve decides what should be) → ``guests``/``enforce`` (make it so) → ``state`` (remember it).
"""
