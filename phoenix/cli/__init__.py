"""The command line: arguments, configuration, dialogue, and a run from its inventory to its exit status."""
