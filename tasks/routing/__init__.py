"""Names and routes: DNS, the Nginx edge, the Traefik mesh and its certificates."""
