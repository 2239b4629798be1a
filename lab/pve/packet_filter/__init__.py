"""The packet filter: compiles the firewall configuration into nft rules and loads them into the kernel."""
