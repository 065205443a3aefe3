"""What the model and the notebook are shown of an executed cell."""
