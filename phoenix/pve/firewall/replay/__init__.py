"""Recorded verdicts of the real firewall, compared with the model's."""
