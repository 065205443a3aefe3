"""The mechanisms of Linux that the isolation is built from."""
