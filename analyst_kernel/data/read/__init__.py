"""Finding and reading data files in all their formats and dialects."""
