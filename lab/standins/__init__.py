"""Stand-ins for programs that the lab cannot run. Each implements the part of a protocol that the estate uses."""
