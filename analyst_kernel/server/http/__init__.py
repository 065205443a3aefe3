"""The routes and the socket."""
