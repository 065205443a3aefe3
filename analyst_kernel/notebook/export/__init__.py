"""A notebook as a clean notebook, a page or a script."""
