"""Stand-ins for outside things, usable from every test and from a shell."""
