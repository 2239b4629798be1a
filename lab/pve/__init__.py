"""The Proxmox VE API of the embedded hypervisor, with real guests behind it.

Runs inside the lab's outer container as ``python3 -m phoenix.lab.pve``. Path of a request: ``api`` (fakepve validates
it and changes the model) → ``guests`` and ``packet_filter`` (apply the change) → ``model`` (saves it).
"""
