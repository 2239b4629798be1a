"""What the tasks share: sessions, templates, results, batches."""
