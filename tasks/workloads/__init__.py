"""What runs on the guests: Docker containers and Portainer."""
