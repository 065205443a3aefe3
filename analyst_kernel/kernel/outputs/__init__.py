"""A kernel's messages folded into outputs, limited and sanitised."""
