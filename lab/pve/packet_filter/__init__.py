"""The packet filter: from the firewall configuration to nft rules in the kernel."""
