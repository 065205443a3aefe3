"""The Jupyter Server extension: analyses that live in the server; socket, REST and journal."""
