"""The API calls from the observed configuration to the derived one, and the firewall after them."""
