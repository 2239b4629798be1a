"""Programs that stand in for what the lab cannot have. Each speaks the part of a protocol that is used."""
