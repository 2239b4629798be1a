"""Pure functions, Estate → desired state: names, routes, certificates, flows, firewall, guests, storage."""
