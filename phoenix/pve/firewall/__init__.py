"""A model of Proxmox VE's firewall and what is built on it. Pure: it reads no node.

`model` evaluates packets, `proof` compares a firewall with the estate's flows, `plan` finds the API calls from the
observed to the derived firewall, `query` answers an operator's questions, `replay` checks the model against recordings.
"""
