"""Who writes a notebook on a server, and how."""
