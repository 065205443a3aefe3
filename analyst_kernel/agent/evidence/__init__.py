"""What proves an answer: its numbers, and the executed outputs that show them."""
