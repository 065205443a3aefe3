"""Fuzzing: what strangers write, changed at random, goes through every parser and message fold."""
