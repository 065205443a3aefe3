"""What the model and the notebook show of an executed cell."""
