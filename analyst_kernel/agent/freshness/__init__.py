"""What new data does to earlier answers: which numbers moved, and what turned."""
