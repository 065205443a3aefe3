"""What became of the data in a cell: a line of lineage for each, and hints of what went wrong."""
