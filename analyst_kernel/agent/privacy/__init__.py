"""What of the data may reach a model: the wall between the conversation and the provider."""
