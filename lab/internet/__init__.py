"""The stand-in for everything outside: router, resolver, package mirror and image registry. Plain Python only."""
