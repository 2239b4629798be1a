"""Certificates: what one says, and whether it may stay."""
