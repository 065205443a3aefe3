"""What a cell would load of the attached files, and whether the kernel has the memory for it."""
