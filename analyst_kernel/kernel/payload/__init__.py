"""The code that runs inside the kernel."""
