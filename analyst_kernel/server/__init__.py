"""The Jupyter Server extension: analyses that live in the server, their socket, REST and journal."""
