"""Claude at the three clouds that serve it: Amazon Bedrock, Google Vertex AI, Microsoft Foundry."""
