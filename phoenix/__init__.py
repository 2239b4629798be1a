"""Phoenix: declare hosts, services and their clients once; derive, deploy and prove the rest."""

__version__ = "0.1.0"
