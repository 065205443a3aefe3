"""Servers that hold remote data, for tests of it."""
