"""What the user runs and edits in the notebook, outside of any run."""
