"""What the user runs and edits in the notebook between two questions."""
