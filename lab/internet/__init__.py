"""The stand-in for everything outside: router, resolver, package mirror, image registry. Plain Python."""
