"""Questions about a firewall: which rules decide, who can connect, what to declare, what to try."""
