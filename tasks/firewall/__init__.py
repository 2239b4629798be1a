"""The firewall on its hypervisor: swept, planned, proved, changed as one transaction, tried with packets."""
