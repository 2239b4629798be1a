"""Reports for people and programs: the console of a run, and tables, JSON, CSV and pictures of the estate."""
