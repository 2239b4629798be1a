"""Connections to hosts: to the API and to SSH of a hypervisor, and to guests through its SSH connection."""
