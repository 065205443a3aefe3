"""Asks a file of questions whose answers are known, scores what comes, and compares two runs."""
