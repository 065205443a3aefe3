"""The deterministic analyst: answers without a language model, through the same tool calls."""
