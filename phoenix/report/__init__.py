"""Views of a run's record for people: lines while it runs, a table when it has ended."""
