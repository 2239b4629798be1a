"""The stand-in for the Internet: resolver, package mirror and image registry. Standard library only."""
