"""One analysis put together from its parts, and what can be done with it."""
