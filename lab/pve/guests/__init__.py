"""Real guests: turns a guest's configuration into a nested LXC container with files, network links and mounts."""
