"""Pure functions from the estate to what should be: names, routes, certificates, flows, firewall, guests, storage."""
