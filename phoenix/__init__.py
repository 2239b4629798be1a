"""Phoenix: declare hosts, services and who uses them once; derive, deploy and prove the rest."""
