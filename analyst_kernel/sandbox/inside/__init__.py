"""What runs in the sandboxed process before the kernel does."""
