"""Data in object stores and on web servers: the user's process fetches it, a kernel never does."""
