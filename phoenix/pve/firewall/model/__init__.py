"""The configuration, compiled to chains, and the verdict on a packet."""
