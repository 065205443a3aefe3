"""Rows of a file that are no part of its table, and how they are found."""
