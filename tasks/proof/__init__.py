"""Observations that prove the outcome: routes, certificates, dependence on an authority."""
