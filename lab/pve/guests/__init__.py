"""Real guests: from a guest's configuration to a nested LXC container with files, links and mounts."""
