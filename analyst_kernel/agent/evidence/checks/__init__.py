"""Checks of a finished answer's words against what the cells showed, without a second model."""
