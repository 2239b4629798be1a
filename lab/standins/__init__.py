"""Programs that stand in for what the lab cannot have. Each speaks the part of the protocol that the estate uses."""
