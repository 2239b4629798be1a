"""The firewall of a hypervisor: read, plan, prove, change in one transaction, test with real packets."""
