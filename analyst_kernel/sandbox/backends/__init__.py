"""The ways to start an isolated kernel, and the choice between them."""
