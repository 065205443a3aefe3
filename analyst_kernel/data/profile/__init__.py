"""The description of a dataset: columns, warnings, links between tables."""
